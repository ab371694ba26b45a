CREATE OR REPLACE VIEW v_friction_hourly $on_cluster
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
    `minutes` Float64 COMMENT 'Customer minutes that they cost, from the effort ledger: each minute counts once.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    hour,
    rule_id,
    variant,
    status,
    team,
    topic,
    from_channel,
    to_channel,
    frictions,
    severities,
    arrivals,
    effort_ms / 60000 AS minutes
FROM friction_hourly FINAL
WHERE is_deleted = 0
COMMENT 'Frictions by hour, for dashboards. A rollup: up to a minute behind v_frictions; journeys check-aggregates says where it differs.'
