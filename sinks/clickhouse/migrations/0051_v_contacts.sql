CREATE OR REPLACE VIEW v_contacts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `contact_id` String COMMENT 'The touchpoint with which the customer began it, as tenant/source/id.',
    `person_key` String COMMENT 'The person who began it; joins with v_persons.',
    `channel` LowCardinality(String) COMMENT 'The channel on which it was.',
    `kind` LowCardinality(String) COMMENT 'The verb with which it began, e.g. call.offered or complaint.raised.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'When the customer began it, event time, UTC.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'When the last of what the customer sent was over, or the conversation was ended, UTC.',
    `weekday` UInt8 COMMENT 'Day of the week on which it began, 1 for Monday, UTC.',
    `hour` UInt8 COMMENT 'Hour in which it began, 0 to 23, UTC.',
    `team` LowCardinality(String) COMMENT 'The first team named in it; empty when none was.',
    `touchpoint` String COMMENT 'Page, queue or counter where it began; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What it is about: the first topic named in it; empty when none was.',
    `reason` LowCardinality(String) COMMENT 'Why the customer came: the first reason that the customer named, else the topic; empty when there is neither.',
    `matters` Array(String) COMMENT 'What it shares with others of the same matter: its objects as type:id without campaigns, forms, sessions, incidents and changes, and its topic.',
    `touches` UInt64 COMMENT 'Number of touchpoints of the conversation, those of the company included.',
    `is_blocked` Bool COMMENT 'Whether the customer did not even get through: an attempt.blocked and nothing else. Counts of contacts leave these out.',
    `is_answer_known` Bool COMMENT 'Whether it can be told if it was answered: it has a thread, an answer, or was blocked. False for contacts that stand alone.',
    `answered_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When somebody answered: first act of a person, bot or partner in it, UTC; acknowledgements, queues, holds and assignments are none. NULL when nobody did.',
    `minutes_to_answer` Nullable(Float64) COMMENT 'From its beginning to that, minutes; NULL when nobody answered.',
    `outcome` LowCardinality(String) COMMENT 'The last outcome named in it but unknown: ok, failed, partial, pending; empty when none was.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    concat(replaceAll(replaceAll(toString(tenant), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(opening.6.2, '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(opening.6.3, '%', '%25'), '/', '%2F')) AS contact_id,
    person_key,
    channel,
    opening.1 AS kind,
    opening.5 AS started_at,
    greatest(started_at, last_end) AS ended_at,
    toDayOfWeek(started_at) AS weekday,
    toHour(started_at) AS hour,
    arrayFirst(named -> named.1 >= opening.6, arraySort(workers)).2 AS team,
    opening.2 AS touchpoint,
    first_topic AS topic,
    if(opening.3 = '', first_topic, opening.3) AS reason,
    arraySort(arrayDistinct(arrayConcat(arrayFlatten(owns), if(first_topic = '', [], [concat('topic:', first_topic)])))) AS matters,
    conversation_touches AS touches,
    others = 0 AS is_blocked,
    has_thread OR is_blocked OR answered_at IS NOT NULL AS is_answer_known,
    if(opening.4, opening.5, if(empty(later_answers), NULL, arrayMin(later_answers))) AS answered_at,
    (toUnixTimestamp64Milli(answered_at) - toUnixTimestamp64Milli(started_at)) / 60000 AS minutes_to_answer,
    last_outcome AS outcome
FROM (
    SELECT
        tenant,
        person_key,
        channel,
        has_thread,
        argMinIf(
            (act, touchpoint, named_reason, is_taken, event_time, place),
            (NOT is_beginning, place),
            is_beginning OR is_attempt
        ) AS opening,
        maxIf(end_time, is_beginning OR act IN ('contact.ended', 'call.ended', 'visit.ended')) AS last_end,
        groupArrayIf((place, worker), worker != '') AS workers,
        argMinIf(about, place, about != '') AS first_topic,
        argMaxIf(result, place, result NOT IN ('', 'unknown')) AS last_outcome,
        groupUniqArray(own) AS owns,
        count() AS conversation_touches,
        countIf(act != 'attempt.blocked') AS others,
        arrayMap(answer -> answer.1, arrayFilter(answer -> answer > opening.6, groupArrayIf(place, is_answer))) AS later_answers
    FROM (
        SELECT
            tenant,
            person_key,
            channel,
            touchpoint,
            multiIf(thread_id != '', thread_id, reply_to != '' AND actor != 'customer', reply_to, id) AS conversation,
            thread_id != '' AS has_thread,
            kind IN ('contact.started', 'message.received', 'call.offered', 'visit.started', 'form.submitted', 'complaint.raised', 'social.posted')
                AND direction = 'inbound' AND actor = 'customer' AS is_beginning,
            kind = 'attempt.blocked' AND direction = 'inbound' AND actor = 'customer' AS is_attempt,
            actor IN ('agent', 'bot', 'partner')
                AND kind NOT IN ('message.auto_ack', 'queue.entered', 'queue.left', 'hold.started', 'hold.ended', 'attempt.blocked', 'case.assigned', 'case.waiting')
                AS is_answer,
            team != '' OR actor_id != '' AS is_taken,
            toString(kind) AS act,
            event_time,
            end_time,
            (event_time, toString(source), id) AS place,
            toString(reason) AS named_reason,
            toString(team) AS worker,
            toString(topic) AS about,
            toString(outcome) AS result,
            arrayMap(
                parts -> concat(parts[1], ':', parts[2]),
                arrayFilter(
                    parts -> length(parts) > 1 AND parts[2] != '' AND parts[1] NOT IN ('campaign', 'form', 'session', 'incident', 'change'),
                    arrayMap(object -> splitByChar(':', object), objects)
                )
            ) AS own
        FROM v_touchpoints
        WHERE NOT probe AND NOT staff
            AND kind NOT IN ('identity.linked', 'identity.unlinked', 'subject.erase_requested', 'history.refold_requested')
            AND (thread_id != '' OR reply_to != '' OR is_beginning OR is_attempt)
    )
    GROUP BY tenant, person_key, channel, conversation, has_thread
    HAVING countIf(is_beginning OR is_attempt) > 0
)
COMMENT 'Contacts: what customers began and expected an answer to, one row each; attempts that did not get through are marked. Touchpoints of one person on one channel that share a thread are one contact, as are answers that name it in reply_to.'
