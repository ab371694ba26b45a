CREATE OR REPLACE VIEW v_erasures $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `source` LowCardinality(String) COMMENT 'Source of the request.',
    `id` String COMMENT 'Id of the request.',
    `requested_at` DateTime64(3, 'UTC') COMMENT 'When the request was appended to the log, UTC.',
    `identifiers` Array(String) COMMENT 'Hashes of the identities that were erased.',
    `rows_before` Map(String, UInt64) COMMENT 'Rows that held anything of them, by table, repeated rows included; tables without any are left out.',
    `rows_after` UInt64 COMMENT 'Rows that still do, in all tables.',
    `is_done` Bool COMMENT 'Whether all identities were erased from all tables.',
    `recorded_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last of this was recorded, UTC; absent while nothing is erased yet.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    source,
    id,
    max(asked_at) AS requested_at,
    arraySort(groupUniqArray(identifier)) AS identifiers,
    sumMapIf(map(toString(store), before), before > 0) AS rows_before,
    sum(after) AS rows_after,
    rows_after = 0 AND uniqExactIf(identifier, store != '') = length(identifiers) AS is_done,
    max(at) AS recorded_at
FROM
(
    SELECT tenant, source, id, requested_at AS asked_at, identifier, store, rows_before AS before, rows_after AS after, toNullable(recorded_at) AS at
    FROM erasure_receipts FINAL
    UNION ALL
    SELECT tenant, source, id, requested_at AS asked_at, identifier, '' AS store, toUInt64(0) AS before, toUInt64(0) AS after, NULL AS at
    FROM erased_identifiers FINAL
)
GROUP BY tenant, source, id
COMMENT 'Requests to be forgotten: one row each, with what was taken out.'
