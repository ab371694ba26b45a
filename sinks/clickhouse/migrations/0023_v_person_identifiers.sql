CREATE OR REPLACE VIEW v_person_identifiers $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `identifier` String COMMENT 'Hash of the identity.',
    `identity` String COMMENT 'The identity: namespace:hash.',
    `person_key` String COMMENT 'The person to whom it belongs; joins with v_persons.',
    `epoch` UInt32 COMMENT 'How often the person to whom it belongs has changed.',
    `is_placeholder` Bool COMMENT 'Whether it was seen with too many others to be anybody\'s; it links nobody.',
    `companions` UInt32 COMMENT 'Number of other identities that it was seen with; of a placeholder not all are counted.',
    `refused` Array(String) COMMENT 'Links that were not made, up to a hundred: the reason, a space, the other identity.',
    `version` UInt64 COMMENT 'Which row counts: the highest. Grows with every change.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    identifier,
    identity,
    person_key,
    epoch,
    is_placeholder,
    companions,
    refused,
    version
FROM person_identifiers FINAL
COMMENT 'Whose each identity is that was ever seen with another. An identity that is not here is a person of its own.'
