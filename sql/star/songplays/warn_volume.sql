-- warn_volume: the day has at least a third of, and at most three times, the average plays of the 28 days
-- before, where at least 5 of those days are loaded.
-- Rerun: only reads.
with volumes as (
    select
        loaded_days.day,
        count(songplays.songplay_id) as plays
    from loaded_days
    left join songplays
        on
            loaded_days.day = songplays.source_day
            and songplays.start_time between cast(:day as date) - 29 and cast(:day as date) + 2
    where loaded_days.day between cast(:day as date) - 28 and cast(:day as date)
    group by loaded_days.day
),

history as (
    select
        count(*) as days,
        avg(1.0 * plays) as average_plays
    from volumes
    where day < :day
)

select
    volumes.plays,
    history.average_plays,
    history.days
from volumes
cross join history
where
    volumes.day = :day
    and history.days >= 5
    and (
        volumes.plays * 3 < history.average_plays
        or volumes.plays > history.average_plays * 3
    );
