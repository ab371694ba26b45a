CREATE TABLE IF NOT EXISTS sessions $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `session_id` String COMMENT 'The session; 32 hexadecimal characters, the same after every replay.',
    `person_key` String COMMENT 'The person who visited.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'Event time of the first touchpoint, UTC.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'End of the last touchpoint, UTC.',
    `touches` UInt32 COMMENT 'Number of touchpoints.',
    `channels` Array(LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'Channels in the order of their first use.',
    `first_touchpoint` String CODEC(ZSTD(1)) COMMENT 'First touchpoint, as tenant/source/id.',
    `last_touchpoint` String CODEC(ZSTD(1)) COMMENT 'Last touchpoint, as tenant/source/id.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.',
    `is_deleted` UInt8 COMMENT '1 when this version withdraws the row.',
    INDEX by_person person_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
ORDER BY (tenant, session_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Visits: touchpoints of a person without a long gap. Older versions are possible: analysts read v_sessions.'
