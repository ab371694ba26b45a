SELECT scope, name, records, late, round(late_share, 4) AS late_share, very_late, round(corrected_share, 4) AS corrected_share, dead_letters, round(dead_letter_share, 5) AS dead_letter_share, main_reason
FROM v_delivery_quality
ORDER BY scope, name
