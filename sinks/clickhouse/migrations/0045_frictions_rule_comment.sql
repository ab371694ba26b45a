ALTER TABLE frictions $on_cluster COMMENT COLUMN IF EXISTS `rule_id` 'The pattern, e.g. channel_redirect; journeys rules list names all.'
