ALTER TABLE alerts $on_cluster ADD COLUMN IF NOT EXISTS `incident_id` String COMMENT 'The incident that it is a member of, with others of the same cause; empty where it is of none.' AFTER severity,
    ADD COLUMN IF NOT EXISTS `person_key` String COMMENT 'The person who met it.' AFTER incident_id,
    ADD COLUMN IF NOT EXISTS `minutes` Float64 COMMENT 'Customer minutes that it cost.' AFTER person_key,
    ADD COLUMN IF NOT EXISTS `joined_at` DateTime64(3, 'UTC') COMMENT 'When it became known to whoever tells teams, UTC; a message decided then or later counts it.' AFTER minutes
