CREATE OR REPLACE VIEW v_alert_actions $on_cluster
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
    `version` UInt8 COMMENT 'Which row counts: the highest. 1 for what somebody asked, 2 when it was taken into account.',
    `minutes_after_message` Nullable(Float64) COMMENT 'Minutes from the first message about the incident; NULL when there was none.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    action_id,
    kind,
    tenant,
    incident_id,
    cause,
    notice_id,
    acted_by,
    acted_at,
    until,
    text,
    applied_at,
    version,
    dateDiff('second', told.at, acted_at) / 60 AS minutes_after_message
FROM (SELECT * FROM alert_actions FINAL) AS actions
LEFT JOIN
(
    SELECT arrayJoin(incident_ids) AS told_incident_id, toNullable(min(settled_at)) AS at
    FROM alert_notices FINAL
    WHERE `state` = 'delivered'
    GROUP BY told_incident_id
) AS told ON actions.incident_id = told.told_incident_id
COMMENT 'What people did about incidents, one row each.'
