-- check_required: the parts of a start time are those of the time itself. songplay_id is the first of the
-- plays that began then.
-- The ranges only spare blocks: see select_range of songplays.
-- Rerun: only reads.
with offending as (
    select
        start_time,
        hour,
        day,
        week,
        month,
        year,
        weekday
    from "time"
    where
        start_time between :least_start_time and :greatest_start_time
        and (
            hour <> extract(hour from start_time)
            or day <> extract(day from start_time)
            or week <> extract(week from start_time)
            or month <> extract(month from start_time)
            or year <> extract(year from start_time)
            or weekday <> extract(dow from start_time)
        )
)

select
    offending.start_time,
    offending.hour,
    offending.day,
    offending.week,
    offending.month,
    offending.year,
    offending.weekday,
    min(songplays.songplay_id) as songplay_id
from offending
left join songplays
    on
        offending.start_time = songplays.start_time
        and songplays.start_time between :least_start_time and :greatest_start_time
group by
    offending.start_time,
    offending.hour,
    offending.day,
    offending.week,
    offending.month,
    offending.year,
    offending.weekday;
