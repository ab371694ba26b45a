CREATE OR REPLACE VIEW v_team_effort_daily $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `day` Date COMMENT 'Day of the postings, UTC.',
    `team` LowCardinality(String) COMMENT 'The team that caused them; empty when unknown.',
    `cause` LowCardinality(String) COMMENT 'What caused them: the rule whose friction it was, or wait.',
    `kind` LowCardinality(String) COMMENT 'What they were spent on: active, wait, rework, switch, retry.',
    `minutes` Float64 COMMENT 'Customer minutes.',
    `measured_minutes` Float64 COMMENT 'Those of them that were measured; the rest are defaults.',
    `postings` UInt64 COMMENT 'Number of postings.',
    `customers` UInt64 COMMENT 'Number of persons who lost them on that day.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toDate(posted_at) AS day,
    team,
    cause,
    kind,
    round(sum(v_effort_postings.minutes), 4) AS minutes,
    round(sumIf(v_effort_postings.minutes, is_measured), 4) AS measured_minutes,
    count() AS postings,
    uniqExact(person_key) AS customers
FROM v_effort_postings
GROUP BY tenant, day, team, cause, kind
COMMENT 'Customer minutes by day, team and cause, straight from the effort ledger: no rollup is needed.'
