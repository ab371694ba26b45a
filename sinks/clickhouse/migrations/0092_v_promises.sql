CREATE OR REPLACE VIEW v_promises $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `person_key` String COMMENT 'The person to whom it was made.',
    `promise_id` String COMMENT 'The promise, as the touchpoints name it. What names none cannot be followed and is not here.',
    `kind` LowCardinality(String) COMMENT 'How it was made: promise.made, callback.promised or refund.promised.',
    `channel` LowCardinality(String) COMMENT 'The channel on which it was made.',
    `team` LowCardinality(String) COMMENT 'The team that made it; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What it is about; empty when unknown.',
    `made_at` DateTime64(3, 'UTC') COMMENT 'When it was made, UTC.',
    `due_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When it is due, UTC, as agreed last: renegotiating counts when it comes before the date that it moves. NULL when no date was named.',
    `kept_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was kept: first promise.kept, callback.reached or refund.posted that names it, UTC; NULL when it was not.',
    `result` String COMMENT 'kept (by its date, or without one), late, broken (said to be broken, or its date has passed, as far as event time has come), open.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    person_key,
    promise_id,
    making.1 AS kind,
    making.2 AS channel,
    making.3 AS team,
    making.4 AS topic,
    begun_at AS made_at,
    if(making.5 IS NULL, NULL, arrayFold((due, moved) -> if(moved.1 <= due, moved.2, due), arraySort(moves), assumeNotNull(making.5))) AS due_at,
    kept AS kept_at,
    multiIf(
        kept_at IS NOT NULL AND (due_at IS NULL OR kept_at <= due_at), 'kept',
        kept_at IS NOT NULL, 'late',
        is_broken OR (due_at IS NOT NULL AND due_at < reached_at), 'broken',
        'open'
    ) AS result
FROM (
    SELECT
        tenant,
        person_key,
        promise_id,
        argMinIf((toString(kind), toString(channel), toString(team), toString(topic), promise_due), (event_time, id), is_making) AS making,
        minIf(event_time, is_making) AS begun_at,
        minIfOrNull(event_time, kind IN ('promise.kept', 'callback.reached', 'refund.posted')) AS kept,
        countIf(kind = 'promise.broken') > 0 AS is_broken,
        groupArrayIf((event_time, assumeNotNull(promise_due)), kind = 'promise.renegotiated' AND promise_due IS NOT NULL) AS moves
    FROM (
        SELECT tenant, person_key, promise_id, kind, channel, team, topic, promise_due, event_time, id,
            kind IN ('promise.made', 'callback.promised', 'refund.promised') AS is_making
        FROM v_touchpoints
        WHERE promise_id != '' AND NOT probe AND NOT staff
            AND event_time IN (SELECT event_time FROM touchpoints WHERE promise_id != '')
    )
    GROUP BY tenant, person_key, promise_id
    HAVING countIf(is_making) > 0
) AS promise
LEFT ANY JOIN (
    SELECT tenant, max(event_time) AS reached_at FROM touchpoints GROUP BY tenant
) AS reach ON reach.tenant = promise.tenant
COMMENT 'Promises of the company, one row each: what was promised, for when, and whether it was kept.'
