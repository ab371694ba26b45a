SELECT reason, next, next_reason, next_channel, contacts, round(share, 2) AS share, round(median_hours, 1) AS median_hours
FROM v_next_contact
WHERE reason = {reason:String}
ORDER BY contacts DESC, next, next_reason, next_channel
LIMIT 10
