CREATE OR REPLACE VIEW v_reachability $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `channel` LowCardinality(String) COMMENT 'The channel on which customers tried.',
    `weekday` UInt8 COMMENT 'Day of the week, 1 for Monday, UTC.',
    `hour` UInt8 COMMENT 'Hour of the day, 0 to 23, UTC.',
    `attempts` UInt64 COMMENT 'Number of attempts to reach somebody of which it is known what became of them: contacts with a thread or an answer, and attempts that were blocked.',
    `blocked` UInt64 COMMENT 'Number of those that did not get through at all.',
    `reached` UInt64 COMMENT 'Number of those that were answered, by a person, bot or partner, at any time.',
    `reach_rate` Float64 COMMENT 'Share of the attempts that were answered, 0 to 1.',
    `median_minutes` Nullable(Float64) COMMENT 'From the attempt to the answer, minutes, median of those that were answered; NULL when none was.',
    `unknown` UInt64 COMMENT 'Number of contacts of which nothing tells whether they were answered; they are no attempts here.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    channel,
    weekday,
    hour,
    countIf(is_answer_known) AS attempts,
    countIf(is_blocked) AS blocked,
    countIf(answered_at IS NOT NULL) AS reached,
    if(attempts = 0, 0, reached / attempts) AS reach_rate,
    if(reached = 0, NULL, quantileExactInclusiveIf(0.5)(assumeNotNull(minutes_to_answer), answered_at IS NOT NULL)) AS median_minutes,
    countIf(NOT is_answer_known) AS unknown
FROM v_contacts
GROUP BY tenant, channel, weekday, hour
COMMENT 'When somebody is there: channel by weekday and hour, how many attempts of customers were answered and how soon.'
