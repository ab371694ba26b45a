ALTER TABLE persons $on_cluster ADD COLUMN IF NOT EXISTS `identifiers` Array(String) COMMENT 'Hashes of the identities that make up the person.' AFTER next_deadline
