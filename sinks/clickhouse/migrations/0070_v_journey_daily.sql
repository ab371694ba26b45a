CREATE OR REPLACE VIEW v_journey_daily $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `day` Date COMMENT 'Day on which the journeys began, UTC.',
    `topic` LowCardinality(String) COMMENT 'Type of the journeys: their topic; empty when no touchpoint said.',
    `first_channel` LowCardinality(String) COMMENT 'Channel of the first touchpoint.',
    `last_channel` LowCardinality(String) COMMENT 'Channel of the last touchpoint.',
    `status` LowCardinality(String) COMMENT 'open while more events are expected, else closed.',
    `outcome` LowCardinality(String) COMMENT 'How they ended or stand: solved, unsolved, open.',
    `last_step` UInt8 COMMENT 'Number of contacts, 5 for five and more.',
    `journeys` UInt64 COMMENT 'Number of journeys.',
    `journeys_over_budget` UInt64 COMMENT 'Number of journeys that cost more than their budget.',
    `touches` UInt64 COMMENT 'Number of their touchpoints.',
    `contacts` UInt64 COMMENT 'Number of their contacts.',
    `handoffs` UInt64 COMMENT 'Number of hand-overs between teams.',
    `redirects` UInt64 COMMENT 'Number of times customers were sent to another channel.',
    `duration_minutes` Float64 COMMENT 'From the first to the last touchpoint of each, added up, minutes.',
    `wait_minutes` Float64 COMMENT 'Minutes that customers waited.',
    `effort_minutes` Float64 COMMENT 'Customer minutes that they cost.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    day,
    topic,
    first_channel,
    last_channel,
    status,
    outcome,
    last_step,
    journeys,
    journeys_over_budget,
    touches,
    contacts,
    handoffs,
    redirects,
    duration_ms / 60000 AS duration_minutes,
    wait_ms / 60000 AS wait_minutes,
    effort_ms / 60000 AS effort_minutes
FROM journey_daily FINAL
WHERE is_deleted = 0
COMMENT 'Journeys by the day on which they began, for dashboards. A rollup: up to a minute behind v_journeys; journeys check-aggregates says where it differs.'
