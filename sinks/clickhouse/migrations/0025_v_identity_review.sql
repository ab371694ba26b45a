CREATE OR REPLACE VIEW v_identity_review $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `identifier` String COMMENT 'Hash of one identity, the smaller of the two.',
    `other_identifier` String COMMENT 'Hash of the other identity.',
    `identity` String COMMENT 'One identity: namespace:hash.',
    `other` String COMMENT 'The other identity: namespace:hash.',
    `reason` String COMMENT 'Why the two were not joined: placeholder (one was seen with too many others to be anybody\'s), unlinked (somebody said that they are not the same human), cap (the person would have too many identities), limit (too many of one namespace).',
    `person_key` String COMMENT 'The person to whom the one identity belongs; empty where its owner has not noted the link.',
    `other_person_key` String COMMENT 'The person to whom the other identity belongs; empty where its owner has not noted the link.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant,
    ends.1.1 AS identifier,
    ends.2.1 AS other_identifier,
    ends.1.2 AS identity,
    ends.2.2 AS other,
    min(why) AS reason,
    maxIf(owner, own = ends.1) AS person_key,
    maxIf(owner, own = ends.2) AS other_person_key
FROM (
    SELECT
        tenant,
        person_key AS owner,
        (identifier, identity) AS own,
        arrayJoin(refused) AS refusal,
        substringIndex(refusal, ' ', 1) AS why,
        substring(refusal, length(why) + 2) AS whom,
        (substringIndex(whom, ':', -1), whom) AS companion,
        if(own < companion, (own, companion), (companion, own)) AS ends
    FROM person_identifiers FINAL
)
WHERE why IN ('placeholder', 'unlinked', 'cap', 'limit')
GROUP BY tenant, ends
COMMENT 'Links that were not made and that a person should look at, once per pair.'
