SELECT week, topic, journeys, solved, unsolved, round(median_hours, 1) AS median_hours, round(p90_hours, 1) AS p90_hours
FROM v_time_to_able_again
WHERE topic != ''
ORDER BY journeys DESC, week, topic
LIMIT 10
