CREATE TABLE IF NOT EXISTS friction_hourly $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `hour` DateTime('UTC') COMMENT 'Hour of the touchpoint that the frictions hang on, UTC.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern, e.g. channel_redirect; journeys rules list names all.',
    `variant` LowCardinality(String) COMMENT 'What became of them, in the words of the rule, e.g. followed or lost.',
    `status` LowCardinality(String) COMMENT 'open, or cleared by what followed.',
    `team` LowCardinality(String) COMMENT 'The team that caused them; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What they were about; empty when unknown.',
    `from_channel` LowCardinality(String) COMMENT 'The channel that the customers came from; empty where the pattern has none.',
    `to_channel` LowCardinality(String) COMMENT 'The channel that the customers went or were sent to; empty where the pattern has none.',
    `frictions` UInt64 COMMENT 'Number of frictions.',
    `severities` UInt64 COMMENT 'Sum of their severities; divided by their number it is the mean.',
    `arrivals` UInt64 COMMENT 'Number of redirects after which the customer arrived within 48 hours; 0 for other patterns.',
    `effort_ms` Int64 COMMENT 'What they cost customers, milliseconds, from the effort ledger: each counts once.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every rebuilding that changes something.',
    `is_deleted` UInt8 COMMENT '1 when there is nothing in this cell any more.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant, hour, rule_id, variant, status, team, topic, from_channel, to_channel)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Rollup of frictions by hour, rebuilt where it differs from them. Older versions are possible: analysts read v_friction_hourly.'
