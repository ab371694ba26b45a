CREATE TABLE IF NOT EXISTS erasure_receipts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `source` LowCardinality(String) COMMENT 'Source of the request.',
    `id` String COMMENT 'Id of the request.',
    `requested_at` DateTime64(3, 'UTC') COMMENT 'When the request was appended to the log, UTC.',
    `identifier` String COMMENT 'Hash of the erased identity.',
    `store` LowCardinality(String) COMMENT 'The table.',
    `rows_before` UInt64 COMMENT 'Rows of the table that held anything of the identity, repeated rows included.',
    `rows_after` UInt64 COMMENT 'Rows that still did when this was recorded.',
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When this was recorded, UTC.',
    `version` UInt64 COMMENT 'Which row counts: the highest.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY (tenant, source, id, identifier, store)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What was taken out of each table for a request to be forgotten. Older versions are possible: analysts read v_erasures.'
