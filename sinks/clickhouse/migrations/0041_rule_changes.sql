CREATE TABLE IF NOT EXISTS rule_changes $on_cluster
(
    `rule_id` LowCardinality(String) COMMENT 'The friction rule.',
    `version` UInt32 COMMENT 'Its version, which frictions name as rule_version.',
    `effective_from` DateTime64(3, 'UTC') COMMENT 'Event time from which on it judges what begins, UTC, unless a higher version does.',
    `published_at` DateTime64(3, 'UTC') COMMENT 'When it was published, UTC.',
    `text` String COMMENT 'The rule file; empty when the rule was retired.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(published_at)
ORDER BY (rule_id, version)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Changes to the friction rules that workers took while they ran. Repeated rows are possible: analysts read v_rule_changes.'
