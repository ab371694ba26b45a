CREATE OR REPLACE VIEW v_person_timeline $on_cluster
(
    `at` DateTime64(3, 'UTC') COMMENT 'When it happened, event time, UTC.',
    `what` String COMMENT 'touchpoint, friction, journey opened or journey closed.',
    `journey_id` String COMMENT 'The journey that it belongs to; empty when it belongs to none.',
    `channel` LowCardinality(String) COMMENT 'The channel on which it was; of a friction, the one that the customer came from.',
    `name` LowCardinality(String) COMMENT 'The verb of a touchpoint, the rule of a friction, the topic of a journey.',
    `detail` String COMMENT 'Of a touchpoint: page, queue or counter, and where the customer was sent. Of a friction: what happened, in a sentence. Of a journey: its channels, or how it ended.',
    `actor` String COMMENT 'Who acted: customer, agent, bot, system, partner; empty for what is not a touchpoint.',
    `team` String COMMENT 'The team that acted or that caused the friction; empty when unknown.',
    `minutes` Nullable(Float64) COMMENT 'Minutes the customer waited or was busy with the touchpoint, that the friction cost, or that the closed journey cost; NULL when unknown.',
    `reference` String COMMENT 'The touchpoint_key, friction_id or journey_id.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    own_journeys AS (
        SELECT * FROM v_journeys WHERE person_key = {person_key:String}
    )
SELECT at, what, journey_id, channel, name, detail, actor, team, minutes, reference
FROM (
    SELECT
        touch.event_time AS at,
        'touchpoint' AS what,
        member.journey_id AS journey_id,
        toString(touch.channel) AS channel,
        toString(touch.kind) AS name,
        arrayStringConcat(arrayFilter(part -> part != '', [touch.touchpoint, if(touch.redirect_to = '', '', concat('to ', touch.redirect_to))]), ', ') AS detail,
        toString(touch.actor) AS actor,
        toString(touch.team) AS team,
        if(touch.wait_ms IS NULL AND touch.active_ms IS NULL, NULL, (ifNull(touch.wait_ms, 0) + ifNull(touch.active_ms, 0)) / 60000) AS minutes,
        touch.touchpoint_key AS reference,
        1 AS rank
    FROM (
        SELECT * FROM v_touchpoints
        WHERE person_key = {person_key:String}
            AND (
                identity_hash = {person_key:String}
                OR identity_hash IN (SELECT identifier FROM v_person_identifiers WHERE person_key = {person_key:String} OR is_placeholder)
            )
            AND kind NOT IN ('identity.linked', 'identity.unlinked', 'subject.erase_requested', 'history.refold_requested')
    ) AS touch
    LEFT ANY JOIN (
        SELECT journey_id, arrayJoin(touchpoint_keys) AS touchpoint_key FROM own_journeys
    ) AS member ON member.touchpoint_key = touch.touchpoint_key
    UNION ALL
    SELECT opened_at, 'journey opened', journey_id, toString(first_channel), toString(topic), arrayStringConcat(channels, ' > '), '', '', NULL, journey_id, 0
    FROM own_journeys
    UNION ALL
    SELECT assumeNotNull(closed_at), 'journey closed', journey_id, toString(last_channel), toString(topic), toString(outcome), '', '', effort_minutes, journey_id, 3
    FROM own_journeys
    WHERE closed_at IS NOT NULL
    UNION ALL
    SELECT anchor_at, 'friction', journey_id, toString(from_channel), toString(rule_id), sentence_en, '', toString(team), minutes, friction_id, 2
    FROM v_frictions
    WHERE person_key = {person_key:String}
)
ORDER BY at, rank, reference
COMMENT 'What one person went through, in order: touchpoints in their journeys, and frictions where they hang. Ask v_person_timeline(person_key = ...).'
