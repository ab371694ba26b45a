CREATE OR REPLACE VIEW v_friction_ranking $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `place` UInt64 COMMENT 'Place by customer minutes within the tenant, 1 for what cost most.',
    `team` LowCardinality(String) COMMENT 'The team that caused them; empty when unknown.',
    `channel` LowCardinality(String) COMMENT 'Channel of the touchpoint that the frictions hang on.',
    `touchpoint` String COMMENT 'Page, queue or counter where they happened; empty when the touchpoint names none.',
    `cause` LowCardinality(String) COMMENT 'The pattern: rule_id of the frictions.',
    `frictions` UInt64 COMMENT 'Number of frictions.',
    `persons` UInt64 COMMENT 'Number of persons who met them.',
    `severity` Float64 COMMENT 'Their mean severity, 1 to 5.',
    `minutes` Float64 COMMENT 'Customer minutes that they cost, from the effort ledger: each minute counts once, so that minutes add up.',
    `minutes_share` Float64 COMMENT 'Share of the minutes of all frictions of the tenant, 0 to 1.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    row_number() OVER (PARTITION BY tenant ORDER BY minutes DESC, frictions DESC, team, channel, touchpoint, cause) AS place,
    team,
    channel,
    touchpoint,
    cause,
    frictions,
    persons,
    severity,
    minutes,
    if(sum(minutes) OVER (PARTITION BY tenant) = 0, 0, minutes / sum(minutes) OVER (PARTITION BY tenant)) AS minutes_share
FROM (
    SELECT
        tenant,
        team,
        channel,
        touchpoint,
        cause,
        count() AS frictions,
        uniqExact(person_key) AS persons,
        avg(severity) AS severity,
        round(sum(posted_minutes), 4) AS minutes
    FROM (
        SELECT
            friction.tenant AS tenant,
            friction.friction_id AS friction_id,
            any(friction.team) AS team,
            any(friction.rule_id) AS cause,
            any(friction.person_key) AS person_key,
            any(friction.severity) AS severity,
            any(posted.minutes) AS posted_minutes,
            argMin(anchor.channel, (anchor.touchpoint_key = '', anchor.touchpoint = '', anchor.touchpoint_key)) AS channel,
            argMin(anchor.touchpoint, (anchor.touchpoint_key = '', anchor.touchpoint = '', anchor.touchpoint_key)) AS touchpoint
        FROM (
            SELECT tenant, friction_id, person_key, rule_id, team, severity, anchor_at, arrayJoin(evidence_touchpoints) AS proof
            FROM v_frictions
        ) AS friction
        LEFT JOIN (
            SELECT tenant, event_time, channel, touchpoint,
                concat(replaceAll(replaceAll(toString(tenant), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(toString(source), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(toString(id), '%', '%25'), '/', '%2F')) AS touchpoint_key
            FROM touchpoints FINAL
            PREWHERE event_time IN (SELECT anchor_at FROM frictions)
        ) AS anchor ON anchor.touchpoint_key = friction.proof AND anchor.event_time = friction.anchor_at
        LEFT ANY JOIN (
            SELECT tenant, friction_id, sum(minutes) AS minutes FROM v_effort_postings WHERE friction_id != '' GROUP BY tenant, friction_id
        ) AS posted ON posted.tenant = friction.tenant AND posted.friction_id = friction.friction_id
        GROUP BY tenant, friction_id
    )
    GROUP BY tenant, team, channel, touchpoint, cause
)
COMMENT 'Frictions by team, touchpoint and cause, those first that cost customers most minutes.'
