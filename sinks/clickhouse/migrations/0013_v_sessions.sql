CREATE OR REPLACE VIEW v_sessions $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `session_id` String COMMENT 'The session; 32 hexadecimal characters, the same after every replay.',
    `person_key` String COMMENT 'The person who visited.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'Event time of the first touchpoint, UTC.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'End of the last touchpoint, UTC.',
    `duration_minutes` Float64 COMMENT 'From its start to its end, minutes.',
    `touches` UInt32 COMMENT 'Number of touchpoints.',
    `channels` Array(LowCardinality(String)) COMMENT 'Channels in the order of their first use.',
    `first_touchpoint` String COMMENT 'First touchpoint, as tenant/source/id.',
    `last_touchpoint` String COMMENT 'Last touchpoint, as tenant/source/id.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    session_id,
    person_key,
    started_at,
    ended_at,
    (toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at)) / 60000 AS duration_minutes,
    touches,
    channels,
    first_touchpoint,
    last_touchpoint,
    version
FROM sessions FINAL
WHERE is_deleted = 0
COMMENT 'Visits: touchpoints of a person without a long gap.'
