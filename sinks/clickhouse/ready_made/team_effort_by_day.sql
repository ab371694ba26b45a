SELECT day, team, cause, kind, minutes, measured_minutes, customers
FROM v_team_effort_daily
WHERE team != ''
ORDER BY minutes DESC, day, team, cause, kind
LIMIT 8
