CREATE OR REPLACE VIEW v_time_to_able_again $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `week` Date COMMENT 'Monday of the week in which the journeys began, UTC.',
    `topic` LowCardinality(String) COMMENT 'Type of the journeys: their topic; empty when no touchpoint said.',
    `journeys` UInt64 COMMENT 'Number of journeys in which the customer wanted something: those with a contact.',
    `solved` UInt64 COMMENT 'Number of those that were solved.',
    `unsolved` UInt64 COMMENT 'Number of those that ended unsolved. They have no time and are not in the hours: read both.',
    `median_hours` Nullable(Float64) COMMENT 'Of the solved ones: from the first touchpoint to the last solution, hours, median. The clock of the customer: never reset by a redirect, a transfer or another ticket. NULL when none was solved.',
    `p90_hours` Nullable(Float64) COMMENT 'The same, so long took the slowest tenth at least; NULL when none was solved.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toMonday(opened_at) AS week,
    topic,
    count() AS journeys,
    countIf(outcome = 'solved') AS solved,
    countIf(outcome = 'unsolved') AS unsolved,
    if(solved = 0, NULL, quantileExactInclusiveIf(0.5)(hours, outcome = 'solved')) AS median_hours,
    if(solved = 0, NULL, quantileExactInclusiveIf(0.9)(hours, outcome = 'solved')) AS p90_hours
FROM (
    SELECT
        journey.tenant AS tenant,
        journey.journey_id AS journey_id,
        any(journey.topic) AS topic,
        any(journey.opened_at) AS opened_at,
        any(journey.outcome) AS outcome,
        (toUnixTimestamp64Milli(max(solution.end_time)) - toUnixTimestamp64Milli(opened_at)) / 3600000 AS hours
    FROM (
        SELECT tenant, journey_id, topic, opened_at, outcome, arrayJoin(if(outcome = 'solved', touchpoint_keys, [''])) AS touchpoint_key
        FROM v_journeys
        WHERE contacts > 0
    ) AS journey
    LEFT JOIN (
        SELECT
            concat(replaceAll(replaceAll(toString(tenant), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(toString(source), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(toString(id), '%', '%25'), '/', '%2F')) AS touchpoint_key,
            end_time
        FROM touchpoints FINAL
        WHERE kind IN ('case.resolved', 'customer.confirmed')
            OR (
                outcome = 'ok'
                AND kind IN ('contact.started', 'message.received', 'call.offered', 'visit.started', 'form.submitted', 'complaint.raised', 'social.posted', 'contact.ended', 'call.ended', 'visit.ended', 'message.sent', 'callback.reached')
            )
    ) AS solution ON solution.touchpoint_key = journey.touchpoint_key
    GROUP BY tenant, journey_id
)
GROUP BY tenant, week, topic
COMMENT 'How long it takes until customers can go on: from the first touchpoint about a matter to its last solution.'
