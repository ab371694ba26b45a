SELECT
    tenant,
    toDate(opened_at) AS day,
    topic,
    first_channel,
    last_channel,
    status,
    outcome,
    toUInt8(least(journeys.contacts, 5)) AS last_step,
    count() AS journeys,
    countIf(effort_budget_minutes > 0 AND effort_minutes > effort_budget_minutes) AS journeys_over_budget,
    sum(toUInt64(journeys.touches)) AS touches,
    sum(toUInt64(journeys.contacts)) AS contacts,
    sum(toUInt64(journeys.handoffs)) AS handoffs,
    sum(toUInt64(journeys.redirects)) AS redirects,
    sum(toUnixTimestamp64Milli(last_event_at) - toUnixTimestamp64Milli(opened_at)) AS duration_ms,
    sum(toInt64(round(wait_minutes * 60000))) AS wait_ms,
    sum(toInt64(round(effort_minutes * 60000))) AS effort_ms
FROM journeys FINAL
WHERE is_deleted = 0
GROUP BY tenant, day, topic, first_channel, last_channel, status, outcome, last_step
