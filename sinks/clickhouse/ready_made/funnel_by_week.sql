SELECT toMonday(day) AS week, sumIf(reached, step = 1) AS with_a_contact, round(sumIf(solved_here, step = 1) / with_a_contact, 2) AS solved_at_first_contact,
    round(sumIf(went_on, step = 1) / with_a_contact, 2) AS needed_another
FROM v_funnel_daily
GROUP BY week
ORDER BY week
