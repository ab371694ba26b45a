SELECT toHour(hour) AS hour_of_day, sum(frictions) AS frictions, round(sum(severities) / frictions, 1) AS severity, round(sum(v_friction_hourly.minutes), 1) AS minutes
FROM v_friction_hourly
GROUP BY hour_of_day
ORDER BY frictions DESC, hour_of_day
LIMIT 6
