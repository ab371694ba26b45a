CREATE OR REPLACE VIEW v_funnel_daily $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `day` Date COMMENT 'Day on which the journeys began, UTC.',
    `topic` LowCardinality(String) COMMENT 'Type of the journeys: their topic; empty when no touchpoint said.',
    `step` UInt8 COMMENT 'Number of the contact, 1 for the first; 0 for what happened before any, 5 for the fifth and later ones.',
    `reached` UInt64 COMMENT 'Number of journeys that came so far.',
    `solved_here` UInt64 COMMENT 'Number of those that were solved and needed no further contact.',
    `given_up_here` UInt64 COMMENT 'Number of those that ended unsolved without a further contact.',
    `open_here` UInt64 COMMENT 'Number of those that are still open and have had no further contact.',
    `went_on` UInt64 COMMENT 'Number of those that went on to the next step.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    day,
    topic,
    step,
    sum(journeys) AS reached,
    sumIf(journeys, step = last_step AND outcome = 'solved') AS solved_here,
    sumIf(journeys, step = last_step AND outcome = 'unsolved') AS given_up_here,
    sumIf(journeys, step = last_step AND outcome = 'open') AS open_here,
    sumIf(journeys, step < last_step) AS went_on
FROM (
    SELECT tenant, day, topic, outcome, last_step, journeys, arrayJoin(range(toUInt8(last_step + 1))) AS step
    FROM journey_daily FINAL
    WHERE is_deleted = 0
)
GROUP BY tenant, day, topic, step
COMMENT 'Funnel of journeys by type and day: v_journey_funnel as a time series. From the rollup journey_daily.'
