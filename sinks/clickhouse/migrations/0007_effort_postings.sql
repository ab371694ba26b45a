CREATE TABLE IF NOT EXISTS effort_postings $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `posting_id` String COMMENT 'The posting; 32 hexadecimal characters, the same after every replay.',
    `person_key` String COMMENT 'The customer who is debited.',
    `journey_id` String COMMENT 'The journey in which the minutes were spent.',
    `friction_id` String COMMENT 'The friction that cost them; empty when none did.',
    `kind` LowCardinality(String) COMMENT 'What they were spent on: active, wait, rework, switch, retry.',
    `minutes` Float64 COMMENT 'Customer minutes.',
    `is_measured` Bool COMMENT 'Whether they were measured; else they are a default.',
    `team` LowCardinality(String) COMMENT 'The team that caused them and is credited; empty when unknown.',
    `voucher` String CODEC(ZSTD(1)) COMMENT 'The touchpoint that proves the posting, as tenant/source/id.',
    `posted_at` DateTime64(3, 'UTC') COMMENT 'Event time of the posting, UTC.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.',
    `is_deleted` UInt8 COMMENT '1 when this version withdraws the row.',
    INDEX by_person person_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
ORDER BY (tenant, posting_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Ledger of customer minutes: debit the customer, credit the team that caused them. Older versions are possible: analysts read v_effort_postings.'
