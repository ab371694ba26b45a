CREATE OR REPLACE VIEW activity_stream $on_cluster
(
    `activity_id` String COMMENT 'The touchpoint, as tenant/source/id; the column touchpoint_key of v_touchpoints.',
    `ts` DateTime64(3, 'UTC') COMMENT 'When it happened, UTC: the event_time.',
    `customer` String COMMENT 'The person_key of whoever had it; joins with v_persons.',
    `activity` String COMMENT 'What happened: the verb of the touchpoint, e.g. contact.started.',
    `anonymous_customer_id` Nullable(String) COMMENT 'Hash of the cookie, device or card by which they were known, when nothing stronger was; NULL else.',
    `feature_json` String COMMENT 'What else the touchpoint tells, as JSON: channel, team, topic, reason, outcome and more; fields that say nothing are left out.',
    `revenue_impact` Nullable(Float64) COMMENT 'Money in units of the currency in feature_json: the amount of order.placed, less those of order.cancelled and refund.posted; NULL for everything else, so that no order counts twice.',
    `link` Nullable(String) COMMENT 'The pointer to the text, where the producer gave one; NULL else.',
    `activity_occurrence` UInt64 COMMENT 'How often the customer has done this, this one included: 1 for the first time.',
    `activity_repeated_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'When the same customer did the same the next time, UTC; NULL when they have not.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    touchpoint_key AS activity_id,
    event_time AS ts,
    person_key AS customer,
    toString(kind) AS activity,
    if(substringIndex(identities[1], ':', 1) IN ('device', 'cookie', 'card_token'), identity_hash, NULL) AS anonymous_customer_id,
    toJSONString(mapFilter(
        (name, told) -> told != '',
        map(
            'tenant', toString(tenant),
            'source', toString(source),
            'channel', toString(channel),
            'channel_detail', toString(channel_detail),
            'touchpoint', touchpoint,
            'direction', toString(direction),
            'actor', toString(actor),
            'team', toString(team),
            'topic', toString(topic),
            'reason', toString(reason),
            'outcome', toString(outcome),
            'redirect_to', toString(redirect_to),
            'objects', arrayStringConcat(objects, ' '),
            'score', ifNull(toString(score), ''),
            'wait_minutes', ifNull(toString(wait_minutes), ''),
            'active_minutes', ifNull(toString(active_minutes), ''),
            'campaign', toString(campaign),
            'currency', toString(currency)
        )
    )) AS feature_json,
    multiIf(kind = 'order.placed', amount, kind IN ('order.cancelled', 'refund.posted'), -amount, NULL) AS revenue_impact,
    if(text_ref = '', NULL, text_ref) AS link,
    row_number() OVER (PARTITION BY tenant, person_key, kind ORDER BY event_time, source, id) AS activity_occurrence,
    leadInFrame(toNullable(event_time)) OVER (PARTITION BY tenant, person_key, kind ORDER BY event_time, source, id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS activity_repeated_at
FROM v_touchpoints
WHERE NOT probe AND NOT staff AND kind NOT IN ('identity.linked', 'identity.unlinked', 'subject.erase_requested', 'history.refold_requested')
COMMENT 'Every touchpoint with the columns of an activity stream of Activity Schema 2, for tools that read one.'
