ALTER TABLE persons $on_cluster ADD COLUMN IF NOT EXISTS `effort_minutes` Float64 COMMENT 'Customer minutes that the person was debited: the sum of their effort postings.' AFTER frictions
