-- warn_volume: the day has at least a third of, and at most three times, the average plays of the 28 days
-- before, where at least 5 of those days are loaded.
-- Rerun: only reads.
with volumes as (
    select
        loads.day,
        count(songplays.songplay_id) as plays
    from loads
    left join songplays
        on
            loads.day = songplays.source_day
            and songplays.start_time between cast(:day as date) - 29 and cast(:day as date) + 2
    where loads.day between cast(:day as date) - 28 and cast(:day as date)
    group by loads.day
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
