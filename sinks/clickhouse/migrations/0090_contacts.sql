CREATE TABLE IF NOT EXISTS contacts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'When the customer began it, event time, UTC.',
    `contact_id` String COMMENT 'The touchpoint with which the customer began it, as tenant/source/id.',
    `person_key` String COMMENT 'The person who began it; joins with v_persons.',
    `channel` LowCardinality(String) COMMENT 'The channel on which it was.',
    `kind` LowCardinality(String) COMMENT 'The verb with which it began, e.g. call.offered or complaint.raised.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'When the last of what the customer sent was over, or the conversation was ended, UTC.',
    `team` LowCardinality(String) COMMENT 'The first team named in it; empty when none was.',
    `touchpoint` String COMMENT 'Page, queue or counter where it began; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What it is about: the first topic named in it; empty when none was.',
    `reason` LowCardinality(String) COMMENT 'Why the customer came: the first reason that the customer named, else the topic; empty when there is neither.',
    `matters` Array(String) COMMENT 'What it shares with others of the same matter: its objects as type:id without campaigns, forms, sessions, incidents and changes, and its topic.',
    `touches` UInt64 COMMENT 'Number of touchpoints of the conversation, those of the company included.',
    `is_blocked` Bool COMMENT 'Whether the customer did not even get through: an attempt.blocked and nothing else. Counts of contacts leave these out.',
    `is_answer_known` Bool COMMENT 'Whether it can be told if it was answered: it has a thread, an answer, or was blocked. False for contacts that stand alone.',
    `is_answered` Bool COMMENT 'Whether somebody answered: a person, bot or partner; acknowledgements, queues, holds and assignments are no answers.',
    `first_answer_at` DateTime64(3, 'UTC') COMMENT 'When that was, UTC; 1970-01-01 when nobody did.',
    `outcome` LowCardinality(String) COMMENT 'The last outcome named in it but unknown: ok, failed, partial, pending; empty when none was.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every rebuilding that changes something.',
    `is_deleted` UInt8 COMMENT '1 when there is no such contact any more.'
)
ENGINE = ${engine_prefix}ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(started_at)
ORDER BY (tenant, started_at, contact_id)
SETTINGS non_replicated_deduplication_window = 1000, min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'Contacts put together from touchpoints, rebuilt where they differ from them. Older versions are possible: analysts read v_contacts.'
