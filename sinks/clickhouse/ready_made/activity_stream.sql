SELECT activity, count() AS activities, uniqExact(customer) AS customers, countIf(activity_occurrence = 2) AS did_it_again,
    round(avgIf(dateDiff('hour', ts, activity_repeated_at), activity_repeated_at IS NOT NULL), 1) AS hours_between, round(sum(revenue_impact), 2) AS revenue
FROM activity_stream
WHERE activity IN ('order.placed', 'contact.started', 'message.received', 'login.failed')
GROUP BY activity
ORDER BY activity
