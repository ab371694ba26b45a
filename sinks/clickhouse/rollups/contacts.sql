SELECT
    tenant,
    concat(replaceAll(replaceAll(toString(tenant), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(opening.6.2, '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(opening.6.3, '%', '%25'), '/', '%2F')) AS contact_id,
    person_key,
    channel,
    opening.1 AS kind,
    opening.5 AS started_at,
    greatest(started_at, last_end) AS ended_at,
    arrayFirst(named -> named.1 >= opening.6, arraySort(workers)).2 AS team,
    opening.2 AS touchpoint,
    first_topic AS topic,
    if(opening.3 = '', first_topic, opening.3) AS reason,
    arraySort(arrayDistinct(arrayConcat(arrayFlatten(owns), if(first_topic = '', [], [concat('topic:', first_topic)])))) AS matters,
    conversation_touches AS touches,
    others = 0 AS is_blocked,
    has_thread OR is_blocked OR is_answered AS is_answer_known,
    opening.4 OR notEmpty(later_answers) AS is_answered,
    multiIf(opening.4, opening.5, empty(later_answers), toDateTime64(0, 3, 'UTC'), arrayMin(later_answers)) AS first_answer_at,
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
