SELECT week, sum(contacts) AS contacts, sum(failure_contacts) AS failure_contacts, round(failure_contacts / contacts, 3) AS share,
    sum(came_again) AS came_again, sum(sent_on) AS sent_on, sum(asked_for_status) AS asked_for_status,
    sum(machine_failed) AS machine_failed, sum(complained) AS complained
FROM v_failure_demand
GROUP BY week
ORDER BY week
