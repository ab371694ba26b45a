CREATE OR REPLACE VIEW v_delivery_quality $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand; empty for a topic, which all share.',
    `scope` String COMMENT 'source: a producer, by the touchpoints that could be read. topic: a Kafka topic, with the records that could not be read.',
    `name` String COMMENT 'The source, or the topic.',
    `records` UInt64 COMMENT 'Of a source: number of touchpoints. Of a topic: number of touchpoints and dead letters from it.',
    `live` UInt64 COMMENT 'Number of touchpoints without imported history; only these can be late.',
    `late` UInt64 COMMENT 'Number of those that came more than an hour after they happened.',
    `late_share` Nullable(Float64) COMMENT 'Share of the live ones that were late, 0 to 1; NULL when none was live.',
    `very_late` UInt64 COMMENT 'Number of those that came more than 90 days after they happened.',
    `corrected_share` Nullable(Float64) COMMENT 'Share of the touchpoints whose time was corrected since the clock was wrong, 0 to 1; NULL without touchpoints.',
    `dead_letters` Nullable(UInt64) COMMENT 'Number of records that could not be processed and are not replayed. NULL for a source: a record that cannot be read does not say who sent it.',
    `dead_letter_share` Nullable(Float64) COMMENT 'Share of the records that could not be processed, 0 to 1; NULL for a source.',
    `main_reason` LowCardinality(String) COMMENT 'The reason most of them were refused for; empty for a source and where there are none.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    told.1 AS tenant,
    told.2 AS scope,
    told.3 AS name,
    sum(touchpoints) + sum(dead) AS records,
    sum(seen_live) AS live,
    sum(seen_late) AS late,
    if(live = 0, NULL, late / live) AS late_share,
    sum(seen_very_late) AS very_late,
    if(sum(touchpoints) = 0, NULL, sum(corrected) / sum(touchpoints)) AS corrected_share,
    if(scope = 'topic', toNullable(sum(dead)), NULL) AS dead_letters,
    if(scope = 'topic', sum(dead) / records, NULL) AS dead_letter_share,
    max(reason) AS main_reason
FROM (
    SELECT
        arrayJoin([(toString(tenant), 'source', toString(source)), ('', 'topic', toString(origin_topic))]) AS told,
        count() AS touchpoints,
        countIf(NOT backfill) AS seen_live,
        countIf(NOT backfill AND ingestion_time > event_time + toIntervalHour(1)) AS seen_late,
        countIf(NOT backfill AND ingestion_time > event_time + toIntervalDay(90)) AS seen_very_late,
        countIf(is_time_corrected) AS corrected,
        0 AS dead,
        '' AS reason
    FROM touchpoints FINAL
    GROUP BY tenant, source, origin_topic
    UNION ALL
    SELECT ('', 'topic', toString(topic)), 0, 0, 0, 0, 0, count(), arraySort(topK(1)(toString(reason)))[1]
    FROM dead_letters FINAL
    WHERE `state` != 'replayed'
    GROUP BY topic
)
GROUP BY told
COMMENT 'How well producers deliver: late and corrected touchpoints of each source, and records of each topic that could not be processed.'
