-- time: start times of incoming plays that are not there yet. A play of another day, which is only matched
-- anew, has its time already.
-- Rerun: adds only what is missing.
insert into "time" (start_time, hour, day, week, month, year, weekday)
select distinct
    incoming_plays.start_time,
    extract(hour from incoming_plays.start_time) as hour,
    extract(day from incoming_plays.start_time) as day,
    extract(week from incoming_plays.start_time) as week,
    extract(month from incoming_plays.start_time) as month,
    extract(year from incoming_plays.start_time) as year,
    extract(dow from incoming_plays.start_time) as weekday
from incoming_plays
left join "time"
    on
        incoming_plays.start_time = "time".start_time
        and "time".start_time between :least_start_time and :greatest_start_time
where
    incoming_plays.start_time between :least_start_time and :greatest_start_time
    and "time".start_time is null;
