CREATE OR REPLACE VIEW v_step_funnel $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `step` UInt8 COMMENT 'Number of the step, 1 for the first.',
    `kind` String COMMENT 'The verb of the step.',
    `persons` UInt64 COMMENT 'Number of persons who came so far: all steps up to here in this order, within the days given.',
    `share_of_first` Float64 COMMENT 'Share of those who took the first step, 0 to 1.',
    `drop_off` Float64 COMMENT 'Share of those who took the step before and did not come here, 0 to 1; 0 for the first step.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    toUInt8(place) AS step,
    verb AS kind,
    countIf(level >= place) AS persons,
    if(persons = 0, 0, persons / countIf(level >= 1)) AS share_of_first,
    if(countIf(level >= place - 1) = 0, 0, 1 - persons / countIf(level >= greatest(place - 1, 1))) AS drop_off
FROM (
    SELECT
        tenant,
        windowFunnel({days:UInt32} * 86400000)(
            occurred_ms,
            kind = {steps:Array(String)}[1],
            kind = {steps:Array(String)}[2],
            kind = {steps:Array(String)}[3],
            kind = {steps:Array(String)}[4],
            kind = {steps:Array(String)}[5],
            kind = {steps:Array(String)}[6]
        ) AS level
    FROM v_touchpoints
    WHERE NOT probe AND NOT staff AND has({steps:Array(String)}, toString(kind))
        AND event_time IN (SELECT event_time FROM touchpoints WHERE has({steps:Array(String)}, toString(kind)))
    GROUP BY tenant, person_key
)
ARRAY JOIN {steps:Array(String)} AS verb, arrayEnumerate({steps:Array(String)}) AS place
GROUP BY tenant, place, verb
ORDER BY tenant, place
COMMENT 'Funnel over up to six verbs in order, person by person. Ask v_step_funnel(steps = [...], days = ...).'
