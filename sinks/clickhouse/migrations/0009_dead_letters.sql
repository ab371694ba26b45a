CREATE TABLE IF NOT EXISTS dead_letters $on_cluster
(
    `topic` LowCardinality(String) COMMENT 'Topic of the record that failed.',
    `topic_incarnation` String COMMENT 'Which life of the topic: a topic deleted and made again counts offsets anew.',
    `partition` Int32 COMMENT 'Partition of the record that failed.',
    `offset` Int64 COMMENT 'Offset of the record that failed.',
    `appended_at` DateTime64(3, 'UTC') COMMENT 'When the record was appended to its topic, UTC.',
    `stage` LowCardinality(String) COMMENT 'Where it failed: decode, admit, write.',
    `reason` LowCardinality(String) COMMENT 'Why it failed, as a code, e.g. truncated or missing_identity.',
    `field` LowCardinality(String) COMMENT 'The field that was wrong; empty when no single one was.',
    `detail` String CODEC(ZSTD(1)) COMMENT 'What exactly was wrong, for people; never holds payload.',
    `raw_bytes` Nullable(UInt64) COMMENT 'Size of the record\'s value in bytes; NULL when it had none.',
    `raw_sha256` String COMMENT 'SHA-256 of the record\'s value, hexadecimal; empty when it had none.',
    `key_hash` String COMMENT 'Keyed hash of the record\'s key, hexadecimal; empty when it had none.',
    `code_version` LowCardinality(String) COMMENT 'Version of the code that refused it.',
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When it was refused, UTC.',
    `dead_topic` LowCardinality(String) COMMENT 'Topic that holds the record\'s bytes.',
    `dead_partition` Int32 COMMENT 'Partition that holds the record\'s bytes; -1 when unknown.',
    `dead_offset` Int64 COMMENT 'Offset that holds the record\'s bytes; -1 when unknown.',
    `state` LowCardinality(String) COMMENT 'open, replayed or dropped.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows when somebody replays or drops the record.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY (topic, topic_incarnation, partition, offset)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Records that could not be processed, without their bytes. Repeated rows are possible: analysts read v_dead_letters.'
