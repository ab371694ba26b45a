CREATE TABLE IF NOT EXISTS frictions $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `friction_id` String COMMENT 'The friction; 32 hexadecimal characters, the same after every replay.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern: channel_redirect, unprompted_switch, repeat_contact.',
    `rule_version` UInt32 COMMENT 'Version of the rule that found it.',
    `variant` LowCardinality(String) COMMENT 'What became of it, in the words of the rule, e.g. followed or lost.',
    `status` LowCardinality(String) COMMENT 'open, or cleared by what followed.',
    `severity` UInt8 COMMENT '1 (slight) to 5 (severe).',
    `person_key` String COMMENT 'The person who met it.',
    `journey_id` String COMMENT 'The journey in which it happened.',
    `anchor_at` DateTime64(3, 'UTC') COMMENT 'Event time of the touchpoint that it hangs on, UTC.',
    `opened_at` DateTime64(3, 'UTC') COMMENT 'Event time at which it was first true, UTC.',
    `from_channel` LowCardinality(String) COMMENT 'The channel that the customer came from; empty where the pattern has none.',
    `to_channel` LowCardinality(String) COMMENT 'The channel that the customer went or was sent to; empty where the pattern has none.',
    `team` LowCardinality(String) COMMENT 'The team that caused it; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What it was about; empty when unknown.',
    `minutes` Float64 COMMENT 'Customer minutes that it cost.',
    `evidence` String CODEC(ZSTD(3)) COMMENT 'Why the rule fired, as JSON: touchpoints, tested values beside thresholds, guards, severity, nearest miss.',
    `sentence_en` String CODEC(ZSTD(1)) COMMENT 'What happened, in one English sentence without personal data.',
    `sentence_de` String CODEC(ZSTD(1)) COMMENT 'What happened, in one German sentence without personal data.',
    `is_alertable` Bool COMMENT 'Whether teams may be told.',
    `silenced_by` LowCardinality(String) COMMENT 'Why teams are not told, e.g. backfill, incident, consent; empty when they may be.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.',
    `is_deleted` UInt8 COMMENT '1 when this version withdraws the row.',
    INDEX by_person person_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
ORDER BY (tenant, friction_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Patterns of friction found, with evidence. Older versions are possible: analysts read v_frictions.'
