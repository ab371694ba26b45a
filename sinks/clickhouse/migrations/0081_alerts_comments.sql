ALTER TABLE alerts $on_cluster COMMENT COLUMN IF EXISTS `state` 'waiting to be told, silenced (reason says by what), or retracted; in v_alerts also delivered, digested, expired into a summary, or refused by the channel for good.',
    COMMENT COLUMN IF EXISTS `channel` 'The team channel, by its name in the routing file; empty for a retraction, which concerns all, and for what no route names.',
    COMMENT COLUMN IF EXISTS `reason` 'Why it has no message of its own, was refused or withdrawn, for people; holds no address and no secret.',
    COMMENT COLUMN IF EXISTS `rule_id` 'The pattern, e.g. channel_redirect; journeys rules list names all.',
    COMMENT COLUMN IF EXISTS `attempts` 'Number of attempts to deliver the message that tells of it.'
