SELECT count() AS persons, countIf(has_called) AS called_after_helping_themselves, countIf(has_ordered_and_received) AS ordered_and_received
FROM (
    SELECT
        person_key,
        sequenceMatch('(?1)(?t<=86400000)(?2)')(occurred_ms, startsWith(touchpoint, '/help'), kind IN ('contact.started', 'call.offered') AND channel = 'phone') AS has_called,
        windowFunnel(14 * 86400000)(occurred_ms, kind = 'order.placed', kind = 'order.delivered') = 2 AS has_ordered_and_received
    FROM v_touchpoints
    WHERE NOT probe AND NOT staff
    GROUP BY person_key
)
