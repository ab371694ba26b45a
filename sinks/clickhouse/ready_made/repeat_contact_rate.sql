SELECT day, first_contacts, repeated, round(rate, 3) AS rate, is_provisional
FROM v_repeat_contact_rate
ORDER BY tenant, day DESC
LIMIT 14
