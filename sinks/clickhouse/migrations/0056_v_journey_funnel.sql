CREATE OR REPLACE VIEW v_journey_funnel $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `topic` LowCardinality(String) COMMENT 'Type of the journeys: their topic; empty when no touchpoint said.',
    `step` UInt8 COMMENT 'Number of the contact, 1 for the first; 0 for what happened before any, 5 for the fifth and later ones.',
    `reached` UInt64 COMMENT 'Number of journeys that came so far.',
    `solved_here` UInt64 COMMENT 'Number of those that were solved and needed no further contact. At step 1 this is resolution at the first contact.',
    `given_up_here` UInt64 COMMENT 'Number of those that ended unsolved without a further contact.',
    `open_here` UInt64 COMMENT 'Number of those that are still open and have had no further contact.',
    `went_on` UInt64 COMMENT 'Number of those that went on to the next step.',
    `solved_share` Float64 COMMENT 'Share of the journeys that came so far and were solved here, 0 to 1.',
    `drop_off` Float64 COMMENT 'Share of the journeys that came so far and ended here unsolved, 0 to 1.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    topic,
    step,
    count() AS reached,
    countIf(step = last_step AND outcome = 'solved') AS solved_here,
    countIf(step = last_step AND outcome = 'unsolved') AS given_up_here,
    countIf(step = last_step AND outcome = 'open') AS open_here,
    countIf(step < last_step) AS went_on,
    solved_here / reached AS solved_share,
    given_up_here / reached AS drop_off
FROM (
    SELECT tenant, topic, outcome, toUInt8(least(contacts, 5)) AS last_step, arrayJoin(range(last_step + 1)) AS step
    FROM v_journeys
)
GROUP BY tenant, topic, step
COMMENT 'Funnel of journeys by type: how many are solved, given up or go on, contact by contact.'
