CREATE OR REPLACE VIEW v_incidents $on_cluster
(
    `tenant` LowCardinality(String) COMMENT 'The company or brand.',
    `kind` String COMMENT 'placeholder: an identity seen with too many others, so that it is nobody\'s. component_cap: a person that is joined with nobody any more, since it would have too many identities.',
    `identifier` String COMMENT 'Hash of the placeholder; for component_cap the person_key.',
    `identity` String COMMENT 'The identity of that hash: namespace:hash.',
    `size` UInt64 COMMENT 'For placeholder the number of other identities that it was seen with, at least; for component_cap the number of identities that the person has.',
    `sentence_en` String COMMENT 'What happened, in one English sentence without personal data.',
    `sentence_de` String COMMENT 'What happened, in one German sentence without personal data.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    capped AS (
        SELECT tenant, arrayJoin([(person_key, other_person_key), (other_person_key, person_key)]) AS sides
        FROM v_identity_review
        WHERE reason = 'cap'
    ),
    persons_capped AS (
        SELECT tenant, person_key, anyIf(identity, identifier = person_key) AS identity, count() AS identities
        FROM v_person_identifiers
        WHERE (tenant, person_key) IN (SELECT tenant, sides.1 FROM capped)
        GROUP BY tenant, person_key
    )
SELECT
    tenant,
    'placeholder' AS kind,
    identifier,
    identity,
    toUInt64(companions) AS size,
    concat('The ', splitByChar(':', identity)[1], ' ', identifier, ' was seen with at least ', toString(size), ' other identities; it is taken for nobody\'s and joins no one.') AS sentence_en,
    concat('Die Kennung ', splitByChar(':', identity)[1], ' ', identifier, ' kam mit mindestens ', toString(size), ' anderen vor; sie gilt als niemandes und verbindet niemanden.') AS sentence_de
FROM v_person_identifiers
WHERE is_placeholder
UNION ALL
SELECT DISTINCT
    capped.tenant AS tenant,
    'component_cap' AS kind,
    larger.person_key AS identifier,
    larger.identity AS identity,
    larger.identities AS size,
    concat('The person ', identifier, ' has ', toString(size), ' identities and was not joined with another, since it would have too many.') AS sentence_en,
    concat('Die Person ', identifier, ' hat ', toString(size), ' Kennungen und wurde nicht mit einer anderen verbunden, weil es zu viele würden.') AS sentence_de
FROM capped
INNER JOIN persons_capped AS larger ON larger.tenant = capped.tenant AND larger.person_key = capped.sides.1
LEFT JOIN persons_capped AS other ON other.tenant = capped.tenant AND other.person_key = capped.sides.2
WHERE larger.identities >= other.identities
COMMENT 'What is wrong with identities at large, for whoever runs the sources: one row each.'
