CREATE OR REPLACE VIEW v_journeys $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `journey_id` String COMMENT 'The journey; 32 hexadecimal characters, the same after every replay.',
    `person_key` String COMMENT 'The person whose journey it is.',
    `status` LowCardinality(String) COMMENT 'open while more events are expected, else closed.',
    `opened_at` DateTime64(3, 'UTC') COMMENT 'Event time of the first touchpoint, UTC.',
    `last_event_at` DateTime64(3, 'UTC') COMMENT 'Event time of the last touchpoint, UTC.',
    `closed_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was closed, UTC; NULL while it is open.',
    `duration_minutes` Float64 COMMENT 'From its first to its last touchpoint, minutes.',
    `topic` LowCardinality(String) COMMENT 'What it is about; empty when no touchpoint said.',
    `channels` Array(LowCardinality(String)) COMMENT 'Channels in the order in which they were used.',
    `first_channel` LowCardinality(String) COMMENT 'Channel of the first touchpoint.',
    `last_channel` LowCardinality(String) COMMENT 'Channel of the last touchpoint.',
    `touches` UInt32 COMMENT 'Number of touchpoints.',
    `contacts` UInt32 COMMENT 'Number of contacts: what the customer began and expected an answer to.',
    `handoffs` UInt32 COMMENT 'Number of hand-overs between teams.',
    `redirects` UInt32 COMMENT 'Number of times the customer was sent to another channel.',
    `wait_minutes` Float64 COMMENT 'Minutes the customer waited.',
    `effort_minutes` Float64 COMMENT 'Customer minutes that frictions cost.',
    `outcome` LowCardinality(String) COMMENT 'How it ended or stands, as the touchpoints tell: ok, failed, partial, pending, unknown.',
    `objects` Array(String) COMMENT 'Cases, orders, contracts it is about, as type:id.',
    `open_promises` UInt32 COMMENT 'Number of promises made and not yet kept.',
    `touchpoint_keys` Array(String) COMMENT 'Its touchpoints in order, as tenant/source/id; the column touchpoint_key of v_touchpoints.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    journey_id,
    person_key,
    status,
    opened_at,
    last_event_at,
    closed_at,
    (toUnixTimestamp64Milli(last_event_at) - toUnixTimestamp64Milli(opened_at)) / 60000 AS duration_minutes,
    topic,
    channels,
    first_channel,
    last_channel,
    touches,
    contacts,
    handoffs,
    redirects,
    wait_minutes,
    effort_minutes,
    outcome,
    objects,
    open_promises,
    touchpoint_keys,
    version
FROM journeys FINAL
WHERE is_deleted = 0
COMMENT 'Stories of a person about one matter, across channels.'
