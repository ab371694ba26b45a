CREATE TABLE IF NOT EXISTS attempts $on_cluster
(
    `consumer_group` LowCardinality(String) COMMENT 'The consumer group that reads.',
    `topic` LowCardinality(String) COMMENT 'The topic.',
    `partition` Int32 COMMENT 'The partition.',
    `topic_incarnation` String COMMENT 'Which life of the topic the offsets belong to.',
    `keyed_partitions` UInt32 COMMENT 'Partitions of the keyed topic then: they decide who owns a person.',
    `offset` Int64 COMMENT 'First record of the attempt: where the group had to begin.',
    `until_offset` Int64 COMMENT 'The attempt concerns records before this offset.',
    `deaths` UInt32 COMMENT 'Workers in a row that died while they tried these records, the one that tries now included; 0 when none is at it.',
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When it was noted, UTC.',
    `version` UInt64 COMMENT 'Which row counts: the highest.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY (consumer_group, topic, partition)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What workers began to process and did not finish yet, so that a record that kills them is found.'
