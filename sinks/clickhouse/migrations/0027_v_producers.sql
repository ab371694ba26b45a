CREATE OR REPLACE VIEW v_producers $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `source` LowCardinality(String) COMMENT 'The system that saw it, e.g. crm, webshop, hotline.',
    `touchpoints` UInt64 COMMENT 'Number of touchpoints, imported history included.',
    `first_event_time` DateTime64(3, 'UTC') COMMENT 'Event time of the first touchpoint, UTC.',
    `last_event_time` DateTime64(3, 'UTC') COMMENT 'Event time of the last touchpoint, UTC.',
    `corrected_share` Float64 COMMENT 'Share of touchpoints whose time was corrected because the clock was wrong, 0 to 1.',
    `late_touchpoints` UInt64 COMMENT 'Number of touchpoints that were appended to the log more than an hour after they happened, without imported history.',
    `very_late_touchpoints` UInt64 COMMENT 'Number of those that were more than 90 days late.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    source,
    count() AS touchpoints,
    min(event_time) AS first_event_time,
    max(event_time) AS last_event_time,
    countIf(is_time_corrected) / count() AS corrected_share,
    countIf(NOT backfill AND ingestion_time > event_time + toIntervalHour(1)) AS late_touchpoints,
    countIf(NOT backfill AND ingestion_time > event_time + toIntervalDay(90)) AS very_late_touchpoints
FROM touchpoints FINAL
GROUP BY tenant, source
COMMENT 'What each source delivers, and how well its clock goes.'
