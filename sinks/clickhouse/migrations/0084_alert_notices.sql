CREATE TABLE IF NOT EXISTS alert_notices $on_cluster
(
    `notice_id` String COMMENT 'The message; 32 hexadecimal characters, the same at every attempt to send it.',
    `channel` LowCardinality(String) COMMENT 'The team channel, by its name in the routing file.',
    `kind` LowCardinality(String) COMMENT 'opened, updated, closed, withdrawn, digest, or expired (a summary of what could not be sent in time).',
    `state` LowCardinality(String) COMMENT 'due, sending (from before an attempt until its outcome is known), delivered, refused by the channel for good, superseded (withdrawn before it was sent), or expired.',
    `tenant` LowCardinality(String) COMMENT 'The company or brand; of several, that of the first.',
    `incident_ids` Array(String) COMMENT 'Incidents that it tells of, the most severe first.',
    `rule_id` LowCardinality(String) COMMENT 'The pattern of the first of them.',
    `team` LowCardinality(String) COMMENT 'The team that the first of them concerns; empty when unknown.',
    `severity` UInt8 COMMENT '1 (slight) to 5 (severe): the highest of them.',
    `customers` UInt32 COMMENT 'Customers that it tells of.',
    `decided_at` DateTime64(3, 'UTC') COMMENT 'When it was decided, UTC.',
    `attempts` UInt32 COMMENT 'Number of attempts to send it.',
    `settled_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the channel had it, refused it, or it was given up, UTC; NULL while it waits.',
    `reference` String COMMENT 'What the channel answered, by which later messages change or answer this one; no secret.',
    `reason` String COMMENT 'Why the last attempt failed or it was refused, for people; holds no address and no secret.',
    `person_keys` Array(String) COMMENT 'Persons whose frictions it shows.',
    `content` String COMMENT 'The message before it is worded for the channel, as JSON; empty once it was delivered, or when a person in it asked to be forgotten.',
    `version` UInt64 COMMENT 'Which row counts: the highest.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version)
ORDER BY notice_id
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Messages to teams and what became of each. Older versions are possible: analysts read v_alert_notices.'
