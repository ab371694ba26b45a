SELECT channel, weekday, hour, attempts, blocked, reached, round(reach_rate, 2) AS reach_rate, round(median_minutes, 1) AS median_minutes
FROM v_reachability
WHERE attempts > 1
ORDER BY reach_rate, attempts DESC, channel, weekday, hour
LIMIT 10
