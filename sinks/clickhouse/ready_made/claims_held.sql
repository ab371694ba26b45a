SELECT claim, sum(claims) AS claims, sum(held) AS held, round(held / claims, 3) AS held_share, round(1 - held / claims, 3) AS gap, sum(undecided) AS undecided
FROM v_claims_held
GROUP BY claim
ORDER BY claim
