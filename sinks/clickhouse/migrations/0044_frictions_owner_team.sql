ALTER TABLE frictions $on_cluster ADD COLUMN IF NOT EXISTS `owner_team` LowCardinality(String) COMMENT 'The team that is told, as the rule says; empty for the one that caused it.' AFTER team
