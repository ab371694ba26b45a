CREATE TABLE IF NOT EXISTS identity_links $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `identifier` String COMMENT 'Hash of one identity.',
    `other_identifier` String COMMENT 'Hash of the other identity.',
    `identity` String CODEC(ZSTD(1)) COMMENT 'One identity: namespace:hash.',
    `other` String CODEC(ZSTD(1)) COMMENT 'The other identity: namespace:hash.',
    `kind` LowCardinality(String) COMMENT 'What is said of the two: seen together, linked or unlinked by a system or a person, rotated (one value under an old and a new key of the hash).',
    `event_time` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'Event time of the touchpoint that says so, UTC.',
    `source` LowCardinality(String) COMMENT 'Source of the touchpoint that says so.',
    `id` String CODEC(ZSTD(1)) COMMENT 'Id of the touchpoint that says so.',
    `ingestion_time` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When that touchpoint was appended to the log, UTC.',
    `ingest_version` UInt64 COMMENT 'Which copy of the same statement counts: the higher, which is the one appended to the log first.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(ingest_version)
ORDER BY (tenant, identifier, other_identifier, source, id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Journal of links: what touchpoints say about two identities, once for either end. Repeated rows are possible: analysts read v_identity_links.'
