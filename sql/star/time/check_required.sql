-- check_required: the parts of a start time are those of the time itself. songplay_id is the first of the
-- plays that began then.
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
        start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
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
        and songplays.start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
group by
    offending.start_time,
    offending.hour,
    offending.day,
    offending.week,
    offending.month,
    offending.year,
    offending.weekday;
