CREATE OR REPLACE VIEW v_alerts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `friction_id` String COMMENT 'The friction that was told, or found to be wrong.',
    `channel` LowCardinality(String) COMMENT 'The team channel, by its name in the routing file; empty for a retraction, which concerns all.',
    `state` LowCardinality(String) COMMENT 'delivered, refused by the channel for good, or retracted.',
    `attempts` UInt32 COMMENT 'Number of attempts to deliver.',
    `reason` String COMMENT 'Why it was refused, for people; holds no address and no secret.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern: channel_redirect, unprompted_switch, repeat_contact.',
    `team` LowCardinality(String) COMMENT 'The team that the friction belongs to; empty when unknown.',
    `severity` UInt8 COMMENT '1 (slight) to 5 (severe).',
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When this state was reached, UTC.',
    `version` UInt64 COMMENT 'Version of the friction that led to this state; of several rows the highest counts.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    friction_id,
    channel,
    `state`,
    attempts,
    reason,
    rule_id,
    team,
    severity,
    recorded_at,
    version
FROM alerts FINAL
COMMENT 'What teams were told about which friction, per channel.'
