CREATE OR REPLACE VIEW v_redirect_matrix $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `from_channel` LowCardinality(String) COMMENT 'The channel on which the customer asked.',
    `to_channel` LowCardinality(String) COMMENT 'The channel that the customer was sent to.',
    `redirects` UInt64 COMMENT 'Number of redirects: frictions of channel_redirect. Redirects that customers asked for are none.',
    `persons` UInt64 COMMENT 'Number of persons who were sent so.',
    `arrived` UInt64 COMMENT 'Number of redirects after which the customer arrived there within 48 hours.',
    `arrival_rate` Float64 COMMENT 'Share of the redirects after which the customer arrived, 0 to 1.',
    `lost` UInt64 COMMENT 'Number of redirects without arrival and without solution within 72 hours.',
    `solved` UInt64 COMMENT 'Number of redirects after which the matter was solved, wherever and whenever.',
    `success_rate` Float64 COMMENT 'Share of the redirects after which the matter was solved, 0 to 1.',
    `minutes` Float64 COMMENT 'Customer minutes that they cost, from the effort ledger: each minute counts once.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    from_channel,
    to_channel,
    count() AS redirects,
    uniqExact(person_key) AS persons,
    countIf(has_arrived) AS arrived,
    arrived / redirects AS arrival_rate,
    countIf(variant = 'lost') AS lost,
    countIf(status = 'cleared') AS solved,
    solved / redirects AS success_rate,
    round(sum(posted.minutes), 4) AS minutes
FROM (
    SELECT
        tenant,
        friction_id,
        person_key,
        from_channel,
        to_channel,
        variant,
        status,
        arrayExists(
            tested -> tested.1 = 'arrival' AND tested.2,
            JSONExtract(evidence, 'checks', 'Array(Tuple(name String, passed Bool))')
        ) AS has_arrived
    FROM frictions FINAL
    WHERE is_deleted = 0 AND rule_id = 'channel_redirect'
) AS redirect
LEFT ANY JOIN (
    SELECT tenant, friction_id, sum(minutes) AS minutes FROM v_effort_postings WHERE cause = 'channel_redirect' GROUP BY tenant, friction_id
) AS posted ON posted.tenant = redirect.tenant AND posted.friction_id = redirect.friction_id
GROUP BY tenant, from_channel, to_channel
COMMENT 'Who sends customers where, channel by channel: how many arrive, how many matters are solved, what it costs them.'
