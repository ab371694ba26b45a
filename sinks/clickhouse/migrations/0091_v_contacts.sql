CREATE OR REPLACE VIEW v_contacts $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `contact_id` String COMMENT 'The touchpoint with which the customer began it, as tenant/source/id.',
    `person_key` String COMMENT 'The person who began it; joins with v_persons.',
    `channel` LowCardinality(String) COMMENT 'The channel on which it was.',
    `kind` LowCardinality(String) COMMENT 'The verb with which it began, e.g. call.offered or complaint.raised.',
    `started_at` DateTime64(3, 'UTC') COMMENT 'When the customer began it, event time, UTC.',
    `ended_at` DateTime64(3, 'UTC') COMMENT 'When the last of what the customer sent was over, or the conversation was ended, UTC.',
    `weekday` UInt8 COMMENT 'Day of the week on which it began, 1 for Monday, UTC.',
    `hour` UInt8 COMMENT 'Hour in which it began, 0 to 23, UTC.',
    `team` LowCardinality(String) COMMENT 'The first team named in it; empty when none was.',
    `touchpoint` String COMMENT 'Page, queue or counter where it began; empty when unknown.',
    `topic` LowCardinality(String) COMMENT 'What it is about: the first topic named in it; empty when none was.',
    `reason` LowCardinality(String) COMMENT 'Why the customer came: the first reason that the customer named, else the topic; empty when there is neither.',
    `matters` Array(String) COMMENT 'What it shares with others of the same matter: its objects as type:id without campaigns, forms, sessions, incidents and changes, and its topic.',
    `touches` UInt64 COMMENT 'Number of touchpoints of the conversation, those of the company included.',
    `is_blocked` Bool COMMENT 'Whether the customer did not even get through: an attempt.blocked and nothing else. Counts of contacts leave these out.',
    `is_answer_known` Bool COMMENT 'Whether it can be told if it was answered: it has a thread, an answer, or was blocked. False for contacts that stand alone.',
    `answered_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When somebody answered: first act of a person, bot or partner in it, UTC; acknowledgements, queues, holds and assignments are none. NULL when nobody did.',
    `minutes_to_answer` Nullable(Float64) COMMENT 'From its beginning to that, minutes; NULL when nobody answered.',
    `outcome` LowCardinality(String) COMMENT 'The last outcome named in it but unknown: ok, failed, partial, pending; empty when none was.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    contact_id,
    person_key,
    channel,
    kind,
    started_at,
    ended_at,
    toDayOfWeek(started_at) AS weekday,
    toHour(started_at) AS hour,
    team,
    touchpoint,
    topic,
    reason,
    matters,
    touches,
    is_blocked,
    is_answer_known,
    if(is_answered, first_answer_at, NULL) AS answered_at,
    if(is_answered, (toUnixTimestamp64Milli(first_answer_at) - toUnixTimestamp64Milli(started_at)) / 60000, NULL) AS minutes_to_answer,
    outcome
FROM contacts FINAL
WHERE is_deleted = 0
COMMENT 'Contacts: what customers began and expected an answer to, one row each; attempts that did not get through are marked. Touchpoints of one person on one channel that share a thread are one contact, as are answers that name it in reply_to. Kept in a table: up to a minute behind v_touchpoints.'
