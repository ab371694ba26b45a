CREATE OR REPLACE VIEW v_claims_held $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `week` Date COMMENT 'Monday of the week in which the company claimed it, UTC.',
    `claim` String COMMENT 'solved: the company says that a matter is solved (case.resolved, bot.marked_resolved, outcome ok at the end of a contact, a message or a callback). satisfied: such a claim that a customer has rated in a survey within 30 days. on_time: a promise with a date.',
    `claims` UInt64 COMMENT 'Number of claims that can be held against what customers did. Each stands for 1: the company says that it is so.',
    `held` UInt64 COMMENT 'Number of those that held. solved: within 7 days the customer began nothing about a shared matter in another conversation. satisfied: no rating in the lowest third (nps up to 3, csat up to 2, ces up to 3). on_time: kept by its date.',
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
            groupArrayIf((event_time, end_time, conversation, matters), is_statement AND notEmpty(matters)) AS statements,
            groupArrayIf((event_time, conversation, matters), is_beginning) AS beginnings,
            groupArrayIf((event_time, matters, is_bad), is_rating) AS ratings
        FROM (
            SELECT
                tenant,
                person_key,
                event_time,
                end_time,
                if(thread_id = '', id, concat(channel, ' ', thread_id)) AS conversation,
                actor IN ('agent', 'bot', 'system', 'partner')
                    AND (
                        kind IN ('case.resolved', 'bot.marked_resolved')
                        OR (outcome = 'ok' AND kind IN ('contact.ended', 'call.ended', 'visit.ended', 'message.sent', 'callback.reached'))
                    ) AS is_statement,
                kind IN ('contact.started', 'message.received', 'call.offered', 'visit.started', 'form.submitted', 'complaint.raised', 'social.posted')
                    AND direction = 'inbound' AND actor = 'customer' AS is_beginning,
                kind = 'survey.answered' AND survey_type IN ('nps', 'csat', 'ces') AND score IS NOT NULL AS is_rating,
                ifNull(score, 0) <= if(survey_type = 'csat', 2, 3) AS is_bad,
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
            WHERE NOT probe AND NOT staff AND (is_statement OR is_beginning OR is_rating)
                AND event_time IN (
                    SELECT event_time
                    FROM touchpoints
                    WHERE kind IN ('case.resolved', 'bot.marked_resolved', 'survey.answered', 'contact.started', 'message.received', 'call.offered', 'visit.started', 'form.submitted', 'complaint.raised', 'social.posted')
                        OR (outcome = 'ok' AND kind IN ('contact.ended', 'call.ended', 'visit.ended', 'message.sent', 'callback.reached'))
                )
        )
        GROUP BY tenant, person_key
        HAVING notEmpty(statements)
    )
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
    SELECT tenant, told.1 AS claimed_at, told.2 AS claim, if(told.3 >= reach.reached_at, 'undecided', if(told.4, 'failed', 'held')) AS verdict
    FROM (
        SELECT
            tenant,
            arrayJoin(arrayConcat(
                arrayMap(
                    said -> (
                        said.1,
                        'solved',
                        said.2 + toIntervalDay(7),
                        arrayExists(
                            begun -> begun.1 > said.2 AND begun.1 <= said.2 + toIntervalDay(7) AND begun.2 != said.3 AND hasAny(begun.3, said.4),
                            beginnings
                        )
                    ),
                    statements
                ),
                arrayMap(
                    rated -> (
                        arrayMax(said -> if(rated.1 > said.2 AND rated.1 <= said.2 + toIntervalDay(30) AND hasAny(rated.2, said.4), said.1, toDateTime64(0, 3, 'UTC')), statements),
                        'satisfied',
                        toDateTime64(0, 3, 'UTC'),
                        rated.3
                    ),
                    arrayFilter(
                        rated -> arrayExists(said -> rated.1 > said.2 AND rated.1 <= said.2 + toIntervalDay(30) AND hasAny(rated.2, said.4), statements),
                        ratings
                    )
                )
            )) AS told
        FROM spoken
    ) AS each
    LEFT ANY JOIN reach ON reach.tenant = each.tenant
    UNION ALL
    SELECT tenant, made_at, 'on_time', multiIf(result = 'kept', 'held', result = 'open', 'undecided', 'failed')
    FROM v_promises
    WHERE due_at IS NOT NULL
)
GROUP BY tenant, week, claim
COMMENT 'Perceived against delivered: what the company claims, and which share of it customers bear out by what they do.'
