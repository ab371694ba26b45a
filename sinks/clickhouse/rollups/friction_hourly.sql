SELECT
    friction.tenant AS tenant,
    toStartOfHour(friction.anchor_at) AS hour,
    friction.rule_id AS rule_id,
    friction.variant AS variant,
    friction.status AS status,
    friction.team AS team,
    friction.topic AS topic,
    friction.from_channel AS from_channel,
    friction.to_channel AS to_channel,
    count() AS frictions,
    sum(toUInt64(friction.severity)) AS severities,
    countIf(
        friction.rule_id = 'channel_redirect'
        AND arrayExists(
            tested -> tested.1 = 'arrival' AND tested.2,
            JSONExtract(friction.evidence, 'checks', 'Array(Tuple(name String, passed Bool))')
        )
    ) AS arrivals,
    sum(posted.effort_ms) AS effort_ms
FROM (SELECT * FROM frictions FINAL WHERE is_deleted = 0) AS friction
LEFT ANY JOIN (
    SELECT tenant, friction_id, sum(toInt64(round(minutes * 60000))) AS effort_ms
    FROM effort_postings FINAL
    WHERE is_deleted = 0 AND friction_id != ''
    GROUP BY tenant, friction_id
) AS posted ON posted.tenant = friction.tenant AND posted.friction_id = friction.friction_id
GROUP BY tenant, hour, rule_id, variant, status, team, topic, from_channel, to_channel
