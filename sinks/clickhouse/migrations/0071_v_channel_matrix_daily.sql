CREATE OR REPLACE VIEW v_channel_matrix_daily $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `day` Date COMMENT 'Day of the redirects, UTC.',
    `from_channel` LowCardinality(String) COMMENT 'The channel on which customers asked.',
    `to_channel` LowCardinality(String) COMMENT 'The channel that they were sent to.',
    `redirects` UInt64 COMMENT 'Number of redirects: frictions of channel_redirect.',
    `arrived` UInt64 COMMENT 'Number of those after which the customer arrived there within 48 hours.',
    `lost` UInt64 COMMENT 'Number of those without arrival and without solution within 72 hours.',
    `solved` UInt64 COMMENT 'Number of those after which the matter was solved, wherever and whenever.',
    `minutes` Float64 COMMENT 'Customer minutes that they cost, from the effort ledger.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toDate(hour) AS day,
    from_channel,
    to_channel,
    sum(frictions) AS redirects,
    sum(arrivals) AS arrived,
    sumIf(frictions, variant = 'lost') AS lost,
    sumIf(frictions, status = 'cleared') AS solved,
    sum(effort_ms) / 60000 AS minutes
FROM friction_hourly FINAL
WHERE is_deleted = 0 AND rule_id = 'channel_redirect'
GROUP BY tenant, day, from_channel, to_channel
COMMENT 'Who sends customers where, day by day: v_redirect_matrix as a time series. From the rollup friction_hourly.'
