SELECT topic, step, reached, solved_here, given_up_here, open_here, went_on, round(solved_share, 2) AS solved_share, round(drop_off, 2) AS drop_off
FROM v_journey_funnel
WHERE topic IN (SELECT topic FROM v_journeys WHERE topic != '' GROUP BY topic ORDER BY count() DESC, topic LIMIT 3)
ORDER BY topic, step
