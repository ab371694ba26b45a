CREATE OR REPLACE VIEW v_effort_budgets $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `week` Date COMMENT 'Monday of the week in which the journeys began, UTC.',
    `topic` LowCardinality(String) COMMENT 'Type of the journeys: their topic; empty when no touchpoint said.',
    `journeys` UInt64 COMMENT 'Number of journeys.',
    `journeys_over` UInt64 COMMENT 'Number of journeys that cost more than their budget.',
    `share_over` Float64 COMMENT 'Share of the journeys that cost more than their budget.',
    `effort_minutes` Float64 COMMENT 'Customer minutes that they cost together.',
    `budget_minutes` Float64 COMMENT 'Customer minutes that they may cost together.',
    `burn` Float64 COMMENT 'Share of that budget that is spent.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toMonday(opened_at) AS week,
    topic,
    count() AS journeys,
    countIf(v_journeys.effort_minutes > effort_budget_minutes) AS journeys_over,
    journeys_over / journeys AS share_over,
    round(sum(v_journeys.effort_minutes), 4) AS effort_minutes,
    sum(effort_budget_minutes) AS budget_minutes,
    sum(v_journeys.effort_minutes) / budget_minutes AS burn
FROM v_journeys
WHERE effort_budget_minutes > 0
GROUP BY tenant, week, topic
COMMENT 'Effort budgets by week and type of journey: how many journeys cost their customers too much.'
