ALTER TABLE alerts $on_cluster ADD INDEX IF NOT EXISTS by_incident (incident_id, person_key) TYPE bloom_filter GRANULARITY 1
