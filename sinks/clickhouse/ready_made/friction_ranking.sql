SELECT place, team, channel, touchpoint, cause, frictions, persons, round(severity, 1) AS severity, round(minutes, 1) AS minutes, round(minutes_share, 3) AS share
FROM v_friction_ranking
ORDER BY tenant, place
LIMIT 10
