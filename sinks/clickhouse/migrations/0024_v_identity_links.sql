CREATE OR REPLACE VIEW v_identity_links $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `identifier` String COMMENT 'Hash of one identity.',
    `other_identifier` String COMMENT 'Hash of the other identity.',
    `identity` String COMMENT 'One identity: namespace:hash.',
    `other` String COMMENT 'The other identity: namespace:hash.',
    `kind` LowCardinality(String) COMMENT 'What is said of the two: seen together, linked or unlinked by a system or a person, rotated (one value under an old and a new key of the hash).',
    `event_time` DateTime64(3, 'UTC') COMMENT 'Event time of the touchpoint that says so, UTC.',
    `source` LowCardinality(String) COMMENT 'Source of the touchpoint that says so.',
    `id` String COMMENT 'Id of the touchpoint that says so.',
    `touchpoint_key` String COMMENT 'The touchpoint as tenant/source/id; the column of that name in v_touchpoints.',
    `ingestion_time` DateTime64(3, 'UTC') COMMENT 'When that touchpoint was appended to the log, UTC.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    identifier,
    other_identifier,
    identity,
    other,
    kind,
    event_time,
    source,
    id,
    concat(replaceAll(replaceAll(toString(tenant), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(toString(source), '%', '%25'), '/', '%2F'), '/', replaceAll(replaceAll(toString(id), '%', '%25'), '/', '%2F')) AS touchpoint_key,
    ingestion_time
FROM identity_links FINAL
WHERE identifier < other_identifier
COMMENT 'Journal of links: what each touchpoint says about two identities, once per pair, the smaller hash first.'
