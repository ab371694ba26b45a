CREATE TABLE IF NOT EXISTS schema_migrations $on_cluster
(
    `number` UInt32 COMMENT 'Number of the migration.',
    `name` String COMMENT 'Name of its file.',
    `checksum` String COMMENT 'SHA-256 of its file, hexadecimal; an applied file must never change.',
    `state` LowCardinality(String) COMMENT 'in_progress, then completed.',
    `host` String COMMENT 'Host of the process that applied it.',
    `process_id` UInt32 COMMENT 'Process that applied it.',
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When it reached this state, UTC.',
    `version` UInt8 COMMENT 'Which row counts: the highest. 1 in progress, 2 completed.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY number
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Which changes of this schema were applied.'
