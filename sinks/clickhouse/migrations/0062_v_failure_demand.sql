CREATE OR REPLACE VIEW v_failure_demand $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `week` Date COMMENT 'Monday of the week in which the contacts began, UTC.',
    `topic` LowCardinality(String) COMMENT 'What they are about; empty when unknown.',
    `contacts` UInt64 COMMENT 'Number of contacts; blocked attempts are none.',
    `failure_contacts` UInt64 COMMENT 'Number of contacts that are failure demand: there would be none had something been done, or done right. Each counts once.',
    `share` Float64 COMMENT 'Share of the contacts that are failure demand, 0 to 1.',
    `came_again` UInt64 COMMENT 'Number of those that repeat a contact about the same matter, on the same or another channel: frictions of repeat_contact and unprompted_switch.',
    `sent_on` UInt64 COMMENT 'Number of those to which the customer was sent from another channel: frictions of channel_redirect.',
    `asked_for_status` UInt64 COMMENT 'Number of those that ask where something stands: frictions of status_chasing.',
    `machine_failed` UInt64 COMMENT 'Number of those after self-help or a bot did not help: frictions of self_service_dead_end and false_containment.',
    `complained` UInt64 COMMENT 'Number of those that are complaints: complaint.raised, frictions of complaint_after_resolution.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toMonday(started_at) AS week,
    topic,
    count() AS contacts,
    countIf(notEmpty(rules) OR is_complaint) AS failure_contacts,
    failure_contacts / contacts AS share,
    countIf(hasAny(rules, ['repeat_contact', 'unprompted_switch'])) AS came_again,
    countIf(has(rules, 'channel_redirect')) AS sent_on,
    countIf(has(rules, 'status_chasing')) AS asked_for_status,
    countIf(hasAny(rules, ['self_service_dead_end', 'false_containment'])) AS machine_failed,
    countIf(is_complaint OR has(rules, 'complaint_after_resolution')) AS complained
FROM (
    SELECT
        contact.tenant AS tenant,
        contact.started_at AS started_at,
        contact.topic AS topic,
        contact.kind = 'complaint.raised' AS is_complaint,
        arrayMap(found -> found.1, arrayFilter(found -> found.2 <= contact.started_at, failure.frictions)) AS rules
    FROM v_contacts AS contact
    LEFT ANY JOIN (
        SELECT tenant, arrayJoin(evidence_touchpoints) AS touchpoint_key, groupUniqArray((toString(rule_id), anchor_at)) AS frictions
        FROM v_frictions
        WHERE rule_id IN ('repeat_contact', 'unprompted_switch', 'channel_redirect', 'status_chasing', 'self_service_dead_end', 'false_containment', 'complaint_after_resolution')
        GROUP BY tenant, touchpoint_key
    ) AS failure ON failure.tenant = contact.tenant AND failure.touchpoint_key = contact.contact_id
    WHERE NOT contact.is_blocked
)
GROUP BY tenant, week, topic
COMMENT 'Failure demand (Seddon): which share of the contacts there would not be had the company done its work right before.'
