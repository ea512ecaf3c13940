-- check_start_time_is_known: every play of the day has its row in time.
-- Rerun: only reads.
select
    songplays.songplay_id,
    songplays.start_time
from songplays
left join "time"
    on
        songplays.start_time = "time".start_time
        and "time".start_time between cast(:day as date) - 1 and cast(:day as date) + 2
where
    songplays.source_day = :day
    and songplays.start_time between cast(:day as date) - 1 and cast(:day as date) + 2
    and "time".start_time is null;
