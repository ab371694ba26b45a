CREATE TABLE IF NOT EXISTS alert_incidents $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `incident_id` String COMMENT 'The incident; 32 hexadecimal characters.',
    `cause` String COMMENT 'What its frictions have in common, as tenant and label=value; the same for a later incident of this cause.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern, e.g. channel_redirect; journeys rules list names all.',
    `variant` LowCardinality(String) COMMENT 'What became of it, in the words of the rule; empty where incidents are not grouped by it.',
    `team` LowCardinality(String) COMMENT 'The team that is concerned; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What it was about; empty where incidents are not grouped by it.',
    `from_channel` LowCardinality(String) COMMENT 'The channel that customers came from; empty where the pattern has none.',
    `to_channel` LowCardinality(String) COMMENT 'The channel that customers went or were sent to; empty where the pattern has none.',
    `phase` LowCardinality(String) COMMENT 'open, ended (nobody new met its cause for long), closed by somebody, or withdrawn (all of it turned out wrong).',
    `is_over` Bool COMMENT 'Whether nothing more has to be said of it.',
    `is_swarm` Bool COMMENT 'Whether so many customers met it within minutes that it was told at once.',
    `severity` UInt8 COMMENT '1 (slight) to 5 (severe): the highest among its frictions.',
    `customers` UInt32 COMMENT 'Customers who met it, without frictions that were withdrawn.',
    `frictions` UInt32 COMMENT 'Its frictions, without those that were withdrawn.',
    `minutes` Float64 COMMENT 'Customer minutes that they cost.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'When the first friction became known, UTC.',
    `opened_at` DateTime64(3, 'UTC') COMMENT 'Event time of its earliest friction, UTC.',
    `last_member_at` DateTime64(3, 'UTC') COMMENT 'When the last friction became known, UTC.',
    `ended_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ended, was closed or withdrawn, UTC; NULL while it is open.',
    `because_en` String COMMENT 'Why it is no longer open, in half an English sentence; empty while it is.',
    `because_de` String COMMENT 'Why it is no longer open, in half a German sentence; empty while it is.',
    `acknowledged_by` String COMMENT 'Who has taken it; empty for nobody.',
    `acknowledged_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When somebody first took it, UTC; NULL for never.',
    `assigned_to` String COMMENT 'Who is to look after it; empty for nobody.',
    `person_keys` Array(String) COMMENT 'Persons whose frictions stand in samples.',
    `samples` String COMMENT 'Its worst frictions as JSON, of which messages show one.',
    `content` String COMMENT 'What else has to be known to go on after a restart, as JSON: what each channel was told.',
    `version` UInt64 COMMENT 'Which row counts: the highest.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY (tenant, incident_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Incidents: frictions of one cause that teams are told of together. Older versions are possible: analysts read v_alert_incidents.'
