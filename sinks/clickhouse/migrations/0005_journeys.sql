CREATE TABLE IF NOT EXISTS journeys $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `journey_id` String COMMENT 'The journey; 32 hexadecimal characters, the same after every replay.',
    `person_key` String COMMENT 'The person whose journey it is.',
    `status` LowCardinality(String) COMMENT 'open while more events are expected, else closed.',
    `opened_at` DateTime64(3, 'UTC') COMMENT 'Event time of the first touchpoint, UTC.',
    `last_event_at` DateTime64(3, 'UTC') COMMENT 'Event time of the last touchpoint, UTC.',
    `closed_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was closed, UTC; NULL while it is open.',
    `topic` LowCardinality(String) COMMENT 'What it is about; empty when no touchpoint said.',
    `channels` Array(LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'Channels in the order in which they were used.',
    `first_channel` LowCardinality(String) COMMENT 'Channel of the first touchpoint.',
    `last_channel` LowCardinality(String) COMMENT 'Channel of the last touchpoint.',
    `touches` UInt32 COMMENT 'Number of touchpoints.',
    `contacts` UInt32 COMMENT 'Number of contacts: what the customer began and expected an answer to.',
    `handoffs` UInt32 COMMENT 'Number of hand-overs between teams.',
    `redirects` UInt32 COMMENT 'Number of times the customer was sent to another channel.',
    `wait_minutes` Float64 COMMENT 'Minutes the customer waited.',
    `effort_minutes` Float64 COMMENT 'Customer minutes that frictions cost.',
    `outcome` LowCardinality(String) COMMENT 'How it ended or stands, as the touchpoints tell: ok, failed, partial, pending, unknown.',
    `objects` Array(String) CODEC(ZSTD(1)) COMMENT 'Cases, orders, contracts it is about, as type:id.',
    `open_promises` UInt32 COMMENT 'Number of promises made and not yet kept.',
    `touchpoint_keys` Array(String) CODEC(ZSTD(3)) COMMENT 'Its touchpoints in order, as tenant/source/id; the column touchpoint_key of v_touchpoints.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.',
    `is_deleted` UInt8 COMMENT '1 when this version withdraws the row.',
    INDEX by_person person_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
ORDER BY (tenant, journey_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Stories of a person about one matter, across channels. Older versions are possible: analysts read v_journeys.'
