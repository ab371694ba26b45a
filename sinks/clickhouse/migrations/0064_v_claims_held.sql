CREATE OR REPLACE VIEW v_claims_held $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `week` Date COMMENT 'Monday of the week in which the company claimed it, UTC.',
    `claim` String COMMENT 'solved: the company says that a matter is solved (case.resolved, bot.marked_resolved, outcome ok at the end of a contact, a message or a callback). satisfied: such a claim that a customer has rated in a survey within 30 days. on_time: a promise with a date.',
    `claims` UInt64 COMMENT 'Number of claims that can be held against what customers did. Each stands for 1: the company says that it is so.',
    `held` UInt64 COMMENT 'Number of those that held. solved: no contact about a shared matter within 7 days. satisfied: no rating in the lowest third (nps up to 3, csat up to 2, ces up to 3). on_time: kept by its date.',
    `held_share` Nullable(Float64) COMMENT 'Share of the claims that held, 0 to 1; NULL when none is decided.',
    `gap` Nullable(Float64) COMMENT 'What was claimed without being so: 1 minus that share; NULL when none is decided.',
    `undecided` UInt64 COMMENT 'Number of claims of which it is not known yet, as far as event time has come; they are not among the claims.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    reach AS (SELECT tenant, max(event_time) AS reached_at FROM touchpoints GROUP BY tenant),
    spoken AS (
        SELECT
            tenant,
            person_key,
            touchpoint_key,
            kind,
            event_time,
            end_time,
            thread_id,
            channel,
            survey_type,
            score,
            arrayConcat(
                arrayMap(
                    parts -> concat(parts[1], ':', parts[2]),
                    arrayFilter(
                        parts -> length(parts) > 1 AND parts[2] != '' AND parts[1] NOT IN ('campaign', 'form', 'session', 'incident', 'change'),
                        arrayMap(object -> splitByChar(':', object), objects)
                    )
                ),
                if(topic = '', [], [concat('topic:', topic)])
            ) AS matters
        FROM v_touchpoints
        WHERE NOT probe AND NOT staff
            AND (
                (
                    actor IN ('agent', 'bot', 'system', 'partner')
                    AND (
                        kind IN ('case.resolved', 'bot.marked_resolved')
                        OR (outcome = 'ok' AND kind IN ('contact.ended', 'call.ended', 'visit.ended', 'message.sent', 'callback.reached'))
                    )
                )
                OR (kind = 'survey.answered' AND survey_type IN ('nps', 'csat', 'ces') AND score IS NOT NULL)
            )
    ),
    stated AS (SELECT * FROM spoken WHERE kind != 'survey.answered' AND notEmpty(matters))
SELECT
    tenant,
    toMonday(claimed_at) AS week,
    claim,
    countIf(verdict != 'undecided') AS claims,
    countIf(verdict = 'held') AS held,
    if(claims = 0, NULL, held / claims) AS held_share,
    1 - held_share AS gap,
    countIf(verdict = 'undecided') AS undecided
FROM (
    SELECT
        stated.tenant AS tenant,
        stated.event_time AS claimed_at,
        'solved' AS claim,
        multiIf(
            stated.end_time + toIntervalDay(7) >= reach.reached_at, 'undecided',
            again.touchpoint_key != '', 'failed',
            'held'
        ) AS verdict
    FROM stated
    LEFT ANY JOIN (
        SELECT DISTINCT stated.tenant AS tenant, stated.touchpoint_key AS touchpoint_key
        FROM stated
        INNER JOIN v_contacts AS contact ON contact.tenant = stated.tenant AND contact.person_key = stated.person_key
        WHERE NOT contact.is_blocked
            AND contact.started_at > stated.end_time
            AND contact.started_at <= stated.end_time + toIntervalDay(7)
            AND hasAny(contact.matters, stated.matters)
    ) AS again ON again.tenant = stated.tenant AND again.touchpoint_key = stated.touchpoint_key
    LEFT ANY JOIN reach ON reach.tenant = stated.tenant
    UNION ALL
    SELECT
        tenant,
        claimed_at,
        'satisfied' AS claim,
        if(score <= multiIf(survey_type = 'csat', 2, 3), 'failed', 'held') AS verdict
    FROM (
        SELECT
            rating.tenant AS tenant,
            rating.touchpoint_key AS rated_by,
            max(stated.event_time) AS claimed_at,
            any(rating.survey_type) AS survey_type,
            any(assumeNotNull(rating.score)) AS score
        FROM (SELECT * FROM spoken WHERE kind = 'survey.answered') AS rating
        INNER JOIN stated ON stated.tenant = rating.tenant AND stated.person_key = rating.person_key
        WHERE rating.event_time > stated.end_time
            AND rating.event_time <= stated.end_time + toIntervalDay(30)
            AND hasAny(rating.matters, stated.matters)
        GROUP BY tenant, rated_by
    )
    UNION ALL
    SELECT tenant, made_at, 'on_time', multiIf(result = 'kept', 'held', result = 'open', 'undecided', 'failed')
    FROM v_promises
    WHERE due_at IS NOT NULL
)
GROUP BY tenant, week, claim
COMMENT 'Perceived against delivered: what the company claims, and which share of it customers bear out by what they do.'
