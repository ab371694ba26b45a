ALTER TABLE journeys $on_cluster COMMENT COLUMN IF EXISTS `outcome` 'How it ended or stands: solved, unsolved, open.'
