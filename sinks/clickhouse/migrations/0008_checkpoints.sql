CREATE TABLE IF NOT EXISTS checkpoints $on_cluster
(
    `consumer_group` LowCardinality(String) COMMENT 'The consumer group that wrote it.',
    `topic` LowCardinality(String) COMMENT 'The topic.',
    `topic_incarnation` String COMMENT 'Which life of the topic: a topic deleted and made again counts offsets anew.',
    `partition` Int32 COMMENT 'The partition.',
    `next_offset` Int64 COMMENT 'Everything before this offset is in the tables or in the dead letters.',
    `watermark` Nullable(DateTime64(3, 'UTC')) COMMENT 'Event time before which nothing more was expected, UTC; NULL before the first event.',
    `watermark_state` String COMMENT 'How the watermark came about, as JSON: where each raw partition stood.',
    `written_at` DateTime64(3, 'UTC') COMMENT 'When it was written, UTC.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(next_offset)
ORDER BY (consumer_group, topic, topic_incarnation, partition)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'How far each partition is durable. The row with the highest offset counts, so that repeats and stale writers cannot set it back.'
