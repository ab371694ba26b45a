ALTER TABLE journeys $on_cluster ADD COLUMN IF NOT EXISTS `handoff_chain` Array(LowCardinality(String)) COMMENT 'Teams in the order in which the matter was handed over, e.g. first line, billing, first line.' AFTER redirects,
    ADD COLUMN IF NOT EXISTS `redirect_chain` Array(LowCardinality(String)) COMMENT 'Channels in the order in which the customer was sent on, e.g. social, web, phone.' AFTER handoff_chain,
    ADD COLUMN IF NOT EXISTS `continuity` Nullable(Float64) COMMENT 'How much of the matter survived its worst switch of channel or team: 0 nothing, below 0.4 a loss of context, from 0.8 a good hand-over, 1 everything; NULL when no switch is known well enough.' AFTER redirect_chain,
    ADD COLUMN IF NOT EXISTS `effort_budget_minutes` Float64 COMMENT 'Customer minutes that the journey may cost; 0 in rows of older workers.' AFTER effort_minutes,
    COMMENT COLUMN IF EXISTS `effort_minutes` 'Customer minutes that it has cost: the sum of its effort postings.'
