CREATE OR REPLACE VIEW v_effort_accounts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `side` String COMMENT 'debit for those who lost the minutes, credit for what cost them.',
    `type` String COMMENT 'What the account is of: customer or journey on the side of debit, team or cause on the side of credit. The minutes of all accounts of a type are the same for each type.',
    `account` String COMMENT 'The person_key, journey_id, team, or cause; empty when the team is unknown.',
    `minutes` Float64 COMMENT 'Customer minutes.',
    `measured_minutes` Float64 COMMENT 'Those of them that were measured; the rest are defaults.',
    `postings` UInt64 COMMENT 'Number of postings.',
    `customers` UInt64 COMMENT 'Number of persons who lost them.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    entry.1 AS side,
    entry.2 AS type,
    entry.3 AS account,
    round(sum(minutes), 4) AS minutes,
    round(sumIf(v_effort_postings.minutes, is_measured), 4) AS measured_minutes,
    count() AS postings,
    uniqExact(person_key) AS customers
FROM v_effort_postings
ARRAY JOIN [
    ('debit', 'customer', person_key),
    ('debit', 'journey', journey_id),
    ('credit', 'team', toString(team)),
    ('credit', 'cause', toString(cause))
] AS entry
GROUP BY tenant, side, type, account
COMMENT 'The effort ledger by account: who lost how many minutes, and which team and cause cost them.'
