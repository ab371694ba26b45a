SELECT step, kind, persons, round(share_of_first, 2) AS share_of_first, round(drop_off, 2) AS drop_off
FROM v_step_funnel(steps = {steps:Array(String)}, days = {days:UInt32})
