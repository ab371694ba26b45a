CREATE OR REPLACE VIEW v_rule_changes $on_cluster
(
    `rule_id` LowCardinality(String) COMMENT 'The friction rule.',
    `version` UInt32 COMMENT 'Its version, which frictions name as rule_version.',
    `effective_from` DateTime64(3, 'UTC') COMMENT 'Event time from which on it judges what begins, UTC, unless a higher version does.',
    `published_at` DateTime64(3, 'UTC') COMMENT 'When it was published, UTC.',
    `is_retired` Bool COMMENT 'Whether the rule finds nothing from then on.',
    `text` String COMMENT 'The rule file; empty when the rule was retired.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    rule_id,
    version,
    effective_from,
    published_at,
    text = '' AS is_retired,
    text
FROM rule_changes FINAL
COMMENT 'Friction rules that were published or retired while workers ran, one row for each version.'
