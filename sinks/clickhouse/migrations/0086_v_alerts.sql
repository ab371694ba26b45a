CREATE OR REPLACE VIEW v_alerts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `friction_id` String COMMENT 'The friction that was told, or found to be wrong.',
    `channel` LowCardinality(String) COMMENT 'The team channel, by its name in the routing file; empty for a retraction, which concerns all, and for what no route names.',
    `state` LowCardinality(String) COMMENT 'waiting to be told, silenced (reason says by what), or retracted; in v_alerts also delivered, digested, expired into a summary, or refused by the channel for good.',
    `attempts` UInt32 COMMENT 'Number of attempts to deliver the message that tells of it.',
    `reason` String COMMENT 'Why it has no message of its own, was refused or withdrawn, for people; holds no address and no secret.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern, e.g. channel_redirect; journeys rules list names all.',
    `team` LowCardinality(String) COMMENT 'The team that the friction belongs to; empty when unknown.',
    `severity` UInt8 COMMENT '1 (slight) to 5 (severe).',
    `incident_id` String COMMENT 'The incident that it is a member of, with others of the same cause; empty where it is of none.',
    `person_key` String COMMENT 'The person who met it.',
    `minutes` Float64 COMMENT 'Customer minutes that it cost.',
    `joined_at` DateTime64(3, 'UTC') COMMENT 'When it became known to whoever tells teams, UTC; a message decided then or later counts it.',
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When this state was reached, UTC.',
    `version` UInt64 COMMENT 'Version of the friction that led to this state; of several rows the highest counts.',
    `notice_id` String COMMENT 'The message that told of it or counts it; empty when there is none.',
    `told_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the channel had that message, UTC; NULL for never.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    alerts.tenant AS tenant,
    alerts.friction_id AS friction_id,
    alerts.channel AS channel,
    multiIf(
        alerts.state NOT IN ('waiting', 'silenced'), toString(alerts.state),
        told.notice_id = '', if(alerts.state = 'waiting' AND incidents.is_over, 'silenced', toString(alerts.state)),
        told.state = 'refused', 'refused',
        told.state != 'delivered', toString(alerts.state),
        told.kind = 'digest', 'digested',
        told.kind = 'expired', 'expired',
        'delivered'
    ) AS `state`,
    told.attempts AS attempts,
    multiIf(
        told.state = 'refused', told.reason,
        `state` = 'silenced' AND alerts.reason = '', incidents.because_en,
        alerts.reason
    ) AS reason,
    alerts.rule_id AS rule_id,
    alerts.team AS team,
    alerts.severity AS severity,
    alerts.incident_id AS incident_id,
    alerts.person_key AS person_key,
    alerts.minutes AS minutes,
    alerts.joined_at AS joined_at,
    alerts.recorded_at AS recorded_at,
    alerts.version AS version,
    told.notice_id AS notice_id,
    told.settled_at AS told_at
FROM (SELECT * FROM alerts FINAL) AS alerts
ASOF LEFT JOIN
(
    SELECT
        arrayJoin(incident_ids) AS incident_id,
        channel,
        decided_at,
        notice_id,
        toString(kind) AS kind,
        toString(`state`) AS `state`,
        attempts,
        reason,
        settled_at
    FROM alert_notices FINAL
    WHERE `state` NOT IN ('superseded', 'expired') AND kind IN ('opened', 'updated', 'digest', 'expired')
) AS told ON alerts.incident_id = told.incident_id AND alerts.channel = told.channel AND alerts.joined_at <= told.decided_at
LEFT JOIN (SELECT incident_id, is_over, because_en FROM alert_incidents FINAL) AS incidents
    ON alerts.incident_id = incidents.incident_id
COMMENT 'What became of telling each friction to each channel, one row each.'
