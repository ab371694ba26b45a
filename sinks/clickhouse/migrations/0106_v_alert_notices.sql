CREATE OR REPLACE VIEW v_alert_notices $on_cluster
(
    `notice_id` String COMMENT 'The message; 32 hexadecimal characters, the same at every attempt to send it.',
    `channel` LowCardinality(String) COMMENT 'The team channel, by its name in the routing file.',
    `kind` LowCardinality(String) COMMENT 'opened, updated, closed, withdrawn, digest, or expired (a summary of what could not be sent in time).',
    `state` LowCardinality(String) COMMENT 'due, sending (from before an attempt until its outcome is known), delivered, refused by the channel for good, superseded (withdrawn before it was sent), uncertain (withdrawn while nobody knows whether the channel had it, and so said to be wrong), or expired.',
    `tenant` LowCardinality(String) COMMENT 'The company or brand; of several, that of the first.',
    `incident_ids` Array(String) COMMENT 'Incidents that it tells of, the most severe first.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern of the first of them.',
    `team` LowCardinality(String) COMMENT 'The team that the first of them concerns; empty when unknown.',
    `severity` UInt8 COMMENT '1 (slight) to 5 (severe): the highest of them.',
    `customers` UInt32 COMMENT 'Customers that it tells of.',
    `decided_at` DateTime64(3, 'UTC') COMMENT 'When it was decided, UTC.',
    `attempts` UInt32 COMMENT 'Number of attempts to send it.',
    `settled_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the channel had it, refused it, or it was given up, UTC; NULL while it waits.',
    `reference` String COMMENT 'What the channel answered, by which later messages change or answer this one; no secret.',
    `reason` String COMMENT 'Why the last attempt failed or it was refused, for people; holds no address and no secret.',
    `version` UInt64 COMMENT 'Which row counts: the highest.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    notice_id,
    channel,
    kind,
    `state`,
    tenant,
    incident_ids,
    rule_id,
    team,
    severity,
    customers,
    decided_at,
    attempts,
    settled_at,
    reference,
    reason,
    version
FROM alert_notices FINAL
COMMENT 'Messages to teams, one row each, and what became of them.'
