-- check_grain: one row a start time, among the days that a load of the day may write. songplay_id is the
-- first of the plays that began then.
-- Rerun: only reads.
with offending as (
    select
        start_time,
        count(*) as row_count
    from "time"
    where start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
    group by start_time
    having count(*) > 1
)

select
    offending.start_time,
    offending.row_count,
    min(songplays.songplay_id) as songplay_id
from offending
left join songplays
    on
        offending.start_time = songplays.start_time
        and songplays.start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
group by offending.start_time, offending.row_count;
