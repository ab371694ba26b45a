CREATE TABLE IF NOT EXISTS erased_identifiers $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `identifier` String COMMENT 'Hash of the identity.',
    `identity` String CODEC(ZSTD(1)) COMMENT 'The identity: namespace:hash.',
    `requested_at` DateTime64(3, 'UTC') COMMENT 'When the request was appended to the log, UTC.',
    `source` LowCardinality(String) COMMENT 'Source of the request.',
    `id` String COMMENT 'Id of the request.',
    `version` UInt64 COMMENT 'Which request counts: the highest, which is the last.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY (tenant, identifier)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Identities of people who asked to be forgotten: nothing is taken under them any more. Older requests are possible: analysts read v_erasures.'
