CREATE TABLE IF NOT EXISTS journey_daily $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `day` Date COMMENT 'Day on which the journeys began, UTC.',
    `topic` LowCardinality(String) COMMENT 'Type of the journeys: their topic; empty when no touchpoint said.',
    `first_channel` LowCardinality(String) COMMENT 'Channel of the first touchpoint.',
    `last_channel` LowCardinality(String) COMMENT 'Channel of the last touchpoint.',
    `status` LowCardinality(String) COMMENT 'open while more events are expected, else closed.',
    `outcome` LowCardinality(String) COMMENT 'How they ended or stand: solved, unsolved, open.',
    `last_step` UInt8 COMMENT 'Number of contacts, 5 for five and more.',
    `journeys` UInt64 COMMENT 'Number of journeys.',
    `journeys_over_budget` UInt64 COMMENT 'Number of journeys that cost more than their budget.',
    `touches` UInt64 COMMENT 'Number of their touchpoints.',
    `contacts` UInt64 COMMENT 'Number of their contacts.',
    `handoffs` UInt64 COMMENT 'Number of hand-overs between teams.',
    `redirects` UInt64 COMMENT 'Number of times customers were sent to another channel.',
    `duration_ms` Int64 COMMENT 'From the first to the last touchpoint of each, added up, milliseconds.',
    `wait_ms` Int64 COMMENT 'What customers waited, milliseconds.',
    `effort_ms` Int64 COMMENT 'What they cost customers, milliseconds.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every rebuilding that changes something.',
    `is_deleted` UInt8 COMMENT '1 when there is nothing in this cell any more.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, day, topic, first_channel, last_channel, status, outcome, last_step)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Rollup of journeys by the day on which they began, rebuilt where it differs from them. Older versions are possible: analysts read v_journey_daily.'
