-- check_grain: one row a start time, in the range of those of the day's plays. songplay_id is the first of
-- the plays that began then.
-- The ranges only spare blocks: see select_range of songplays.
-- Rerun: only reads.
with offending as (
    select
        start_time,
        count(*) as row_count
    from "time"
    where start_time between :least_start_time and :greatest_start_time
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
        and songplays.start_time between :least_start_time and :greatest_start_time
group by offending.start_time, offending.row_count;
