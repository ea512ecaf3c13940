-- touched_keys: the plays that are staged for the day now, and those that the star holds from it.
-- Rerun: the table is temporary and empty.
insert into touched_keys
with plays as (
    select
        session_id,
        item_in_session,
        ts as start_time
    from staging_events
    where
        day = :day
        and page = 'NextSong'
    union all
    select
        session_id,
        item_in_session,
        start_time
    from songplays
    where
        source_day = :day
        -- a play lies within a day of its file's day, so that only these blocks are read
        and start_time between cast(:day as date) - 1 and cast(:day as date) + 2
)

select
    session_id,
    item_in_session,
    min(start_time) as least_start_time,
    max(start_time) as greatest_start_time
from plays
group by session_id, item_in_session;
