SELECT day, sum(redirects) AS redirects, sum(arrived) AS arrived, sum(lost) AS lost, sum(solved) AS solved, round(sum(v_channel_matrix_daily.minutes), 1) AS minutes
FROM v_channel_matrix_daily
GROUP BY day
ORDER BY day DESC
LIMIT 7
