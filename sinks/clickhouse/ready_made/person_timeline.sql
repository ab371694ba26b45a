SELECT at, what, left(journey_id, 8) AS journey, channel, name, detail, actor, team, round(minutes, 1) AS minutes
FROM v_person_timeline(person_key = {person_key:String})
