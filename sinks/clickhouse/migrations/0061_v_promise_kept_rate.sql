CREATE OR REPLACE VIEW v_promise_kept_rate $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `week` Date COMMENT 'Monday of the week in which they are due, UTC; of those without a date, in which they were made.',
    `kind` LowCardinality(String) COMMENT 'How they were made: promise.made, callback.promised or refund.promised.',
    `promises` UInt64 COMMENT 'Number of promises.',
    `kept` UInt64 COMMENT 'Number of those that were kept by their date.',
    `late` UInt64 COMMENT 'Number of those that were kept after their date.',
    `broken` UInt64 COMMENT 'Number of those that were not kept.',
    `open` UInt64 COMMENT 'Number of those of which it is not decided yet.',
    `kept_rate` Nullable(Float64) COMMENT 'Share that was kept by its date, of those that are decided, 0 to 1; NULL when none is. Without the grace that the friction promise_broken allows.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toMonday(ifNull(due_at, made_at)) AS week,
    kind,
    count() AS promises,
    countIf(result = 'kept') AS kept,
    countIf(result = 'late') AS late,
    countIf(result = 'broken') AS broken,
    countIf(result = 'open') AS open,
    if(kept + late + broken = 0, NULL, kept / (kept + late + broken)) AS kept_rate
FROM v_promises
GROUP BY tenant, week, kind
COMMENT 'Which share of its promises the company keeps on time, by the week in which they are due.'
