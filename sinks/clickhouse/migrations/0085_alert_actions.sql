CREATE TABLE IF NOT EXISTS alert_actions $on_cluster
(
    `action_id` String COMMENT 'The action; 32 hexadecimal characters.',
    `kind` LowCardinality(String) COMMENT 'acknowledge, snooze, assign, comment, close, or replay.',
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `incident_id` String COMMENT 'The incident that it is about.',
    `cause` String COMMENT 'Its cause, which a snooze silences.',
    `notice_id` String COMMENT 'The message that is sent again; empty for other kinds.',
    `acted_by` String COMMENT 'Who did it, as they called themselves.',
    `acted_at` DateTime64(3, 'UTC') COMMENT 'When, UTC.',
    `until` Nullable(DateTime64(3, 'UTC')) COMMENT 'Until when a snooze holds, UTC; NULL for other kinds.',
    `text` String COMMENT 'The comment, or to whom it was assigned.',
    `applied_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When whoever tells teams took it into account, UTC; NULL while it waits.',
    `version` UInt8 COMMENT 'Which row counts: the highest. 1 for what somebody asked, 2 when it was taken into account.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY action_id
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What people did about incidents. Older versions are possible: analysts read v_alert_actions.'
