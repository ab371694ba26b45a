SELECT week, topic, journeys, journeys_over, round(share_over, 2) AS share_over, round(effort_minutes, 1) AS effort_minutes, budget_minutes, round(burn, 2) AS burn
FROM v_effort_budgets
WHERE topic != ''
ORDER BY burn DESC, week, topic
LIMIT 10
