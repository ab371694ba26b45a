CREATE OR REPLACE VIEW v_persons $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `person_key` String COMMENT 'The person: smallest identity hash that belongs to them.',
    `merged_into` String COMMENT 'The person_key that this one was merged into; empty when it stands for itself.',
    `first_seen_at` DateTime64(3, 'UTC') COMMENT 'Event time of the first touchpoint, UTC.',
    `last_seen_at` DateTime64(3, 'UTC') COMMENT 'Event time of the last touchpoint, UTC.',
    `touchpoints` UInt32 COMMENT 'Number of distinct touchpoints.',
    `contacts` UInt32 COMMENT 'Number of contacts: what the person began and expected an answer to.',
    `sessions` UInt32 COMMENT 'Number of sessions.',
    `journeys` UInt32 COMMENT 'Number of journeys.',
    `frictions` UInt32 COMMENT 'Number of frictions found.',
    `effort_minutes` Float64 COMMENT 'Customer minutes that the person was debited: the sum of their effort postings.',
    `next_deadline` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the passing of time alone may change what is said about the person, UTC; NULL for never.',
    `identifiers` Array(String) COMMENT 'Hashes of the identities that make up the person.',
    `rule_changes` UInt32 COMMENT 'How many changes to the friction rules concern the person: those from a moment on after which something happened to them.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change; equal versions mean equal content.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    person_key,
    merged_into,
    first_seen_at,
    last_seen_at,
    touchpoints,
    contacts,
    sessions,
    journeys,
    frictions,
    effort_minutes,
    next_deadline,
    identifiers,
    rule_changes,
    version
FROM persons FINAL
WHERE is_deleted = 0 AND merged_into = ''
COMMENT 'The humans behind identities; who was merged into another is not here.'
