CREATE OR REPLACE VIEW v_effort_postings $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `posting_id` String COMMENT 'The posting; 32 hexadecimal characters, the same after every replay.',
    `person_key` String COMMENT 'The customer who is debited.',
    `journey_id` String COMMENT 'The journey in which the minutes were spent.',
    `friction_id` String COMMENT 'The friction that cost them; empty when none did.',
    `cause` LowCardinality(String) COMMENT 'What caused them: the rule whose friction it was, or wait; empty in rows of older workers.',
    `kind` LowCardinality(String) COMMENT 'What they were spent on: active, wait, rework, switch, retry.',
    `minutes` Float64 COMMENT 'Customer minutes.',
    `is_measured` Bool COMMENT 'Whether they were measured; else they are a default.',
    `team` LowCardinality(String) COMMENT 'The team that caused them and is credited; empty when unknown.',
    `voucher` String COMMENT 'The touchpoint that proves the posting, as tenant/source/id.',
    `posted_at` DateTime64(3, 'UTC') COMMENT 'Event time of the posting, UTC.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    posting_id,
    person_key,
    journey_id,
    friction_id,
    cause,
    kind,
    minutes,
    is_measured,
    team,
    voucher,
    posted_at,
    version
FROM effort_postings FINAL
WHERE is_deleted = 0
COMMENT 'Ledger of customer minutes: debit the customer, credit the team and the cause. Every minute once.'
