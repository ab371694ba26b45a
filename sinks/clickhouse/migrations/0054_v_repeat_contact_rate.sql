CREATE OR REPLACE VIEW v_repeat_contact_rate $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `day` Date COMMENT 'Day of the first contact, UTC. The first contact owns what follows.',
    `first_contacts` UInt64 COMMENT 'Number of contacts on that day that were no repetition of an earlier one.',
    `repeated` UInt64 COMMENT 'Number of those after which the customer had to come again about the same matter within 7 days: a friction of repeat_contact.',
    `rate` Float64 COMMENT 'Share of the first contacts that were followed by another, 0 to 1.',
    `is_provisional` Bool COMMENT 'Whether the 7 days are not over for all of them, as far as event time has come: the rate can still grow.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    repeats AS (
        SELECT tenant, evidence_touchpoints, anchor_at FROM v_frictions WHERE rule_id = 'repeat_contact'
    )
SELECT
    contact.tenant AS tenant,
    toDate(contact.started_at) AS day,
    count() AS first_contacts,
    countIf(next.came_again_at != 0 AND next.came_again_at <= contact.ended_at + toIntervalDay(7)) AS repeated,
    repeated / first_contacts AS rate,
    day + 8 > any(reach.reached_at) AS is_provisional
FROM (
    SELECT tenant, contact_id, started_at, ended_at
    FROM v_contacts
    WHERE NOT is_blocked
        AND (tenant, contact_id, started_at) NOT IN (SELECT tenant, arrayJoin(evidence_touchpoints), anchor_at FROM repeats)
) AS contact
LEFT ANY JOIN (
    SELECT tenant, evidence_touchpoints[1] AS contact_id, min(anchor_at) AS came_again_at
    FROM repeats
    GROUP BY tenant, contact_id
) AS next ON next.tenant = contact.tenant AND next.contact_id = contact.contact_id
LEFT ANY JOIN (
    SELECT tenant, max(event_time) AS reached_at FROM touchpoints GROUP BY tenant
) AS reach ON reach.tenant = contact.tenant
GROUP BY tenant, day
COMMENT 'Repeat-contact rate by day of the first contact: same customer, same matter, 7 days.'
