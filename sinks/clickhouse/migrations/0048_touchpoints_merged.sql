ALTER TABLE touchpoints $on_cluster MODIFY SETTING min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1
