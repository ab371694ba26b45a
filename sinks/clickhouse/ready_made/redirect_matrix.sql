SELECT from_channel, to_channel, redirects, round(arrival_rate, 2) AS arrival_rate, lost, round(success_rate, 2) AS success_rate, minutes
FROM v_redirect_matrix
ORDER BY redirects DESC, minutes DESC, from_channel, to_channel
LIMIT 10
