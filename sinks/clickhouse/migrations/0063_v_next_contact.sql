CREATE OR REPLACE VIEW v_next_contact $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `reason` LowCardinality(String) COMMENT 'Why customers came: the reason they named, else the topic; empty when there was neither.',
    `next` String COMMENT 'contact: the customer came again within 30 days. nothing: they did not. not known yet: they have not, and the 30 days are not over, as far as event time has come.',
    `next_reason` LowCardinality(String) COMMENT 'Why they came next; empty when they named nothing or did not come.',
    `next_channel` LowCardinality(String) COMMENT 'The channel on which they came next; empty when they did not come.',
    `contacts` UInt64 COMMENT 'Number of contacts for the reason after which this came.',
    `share` Float64 COMMENT 'Share of the contacts for the reason, 0 to 1.',
    `median_hours` Nullable(Float64) COMMENT 'From the end of the contact to the next one, hours, median; NULL when none came.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    reason,
    next,
    next_reason,
    next_channel,
    count() AS contacts,
    contacts / sum(contacts) OVER (PARTITION BY tenant, reason) AS share,
    if(next = 'contact', quantileExactInclusive(0.5)(hours), NULL) AS median_hours
FROM (
    SELECT
        person.tenant AS tenant,
        pair.1.3 AS reason,
        pair.1.4 AS ended_at,
        pair.2 AS following,
        multiIf(
            following.2 != '' AND following.1 <= ended_at + toIntervalDay(30), 'contact',
            ended_at + toIntervalDay(30) < reach.reached_at, 'nothing',
            'not known yet'
        ) AS next,
        if(next = 'contact', following.3, '') AS next_reason,
        if(next = 'contact', following.5, '') AS next_channel,
        if(next = 'contact', greatest(0, toUnixTimestamp64Milli(following.1) - toUnixTimestamp64Milli(ended_at)) / 3600000, 0) AS hours
    FROM (
        SELECT
            tenant,
            arraySort(groupArray((started_at, contact_id, toString(reason), ended_at, toString(channel)))) AS own,
            arrayJoin(arrayZip(own, arrayPushBack(arrayPopFront(own), (toDateTime64(0, 3, 'UTC'), '', '', toDateTime64(0, 3, 'UTC'), '')))) AS pair
        FROM v_contacts
        WHERE NOT is_blocked
        GROUP BY tenant, person_key
    ) AS person
    LEFT ANY JOIN (
        SELECT tenant, max(event_time) AS reached_at FROM touchpoints GROUP BY tenant
    ) AS reach ON reach.tenant = person.tenant
)
GROUP BY tenant, reason, next, next_reason, next_channel
COMMENT 'What came next after a contact reason: the next contact of the same customer within 30 days, for whatever reason.'
