SELECT week, kind, promises, kept, late, broken, open, round(kept_rate, 2) AS kept_rate
FROM v_promise_kept_rate
ORDER BY week, kind
