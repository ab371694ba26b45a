CREATE TABLE IF NOT EXISTS person_identifiers $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `identifier` String COMMENT 'Hash of the identity.',
    `identity` String CODEC(ZSTD(1)) COMMENT 'The identity: namespace:hash.',
    `person_key` String COMMENT 'The person to whom it belongs; joins with v_persons.',
    `epoch` UInt32 COMMENT 'How often the person to whom it belongs has changed.',
    `is_placeholder` Bool COMMENT 'Whether it was seen with too many others to be anybody\'s; it links nobody.',
    `companions` UInt32 COMMENT 'Number of other identities that it was seen with; of a placeholder not all are counted.',
    `refused` Array(String) CODEC(ZSTD(1)) COMMENT 'Links that were not made, up to a hundred: the reason, a space, the other identity.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY (tenant, identifier)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Whose an identity is. Older versions are possible: analysts read v_person_identifiers.'
