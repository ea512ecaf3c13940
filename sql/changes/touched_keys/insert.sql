-- touched_keys: the plays that are staged for the day now, and those that the star holds from it.
-- Rerun: the table is temporary and empty.
insert into touched_keys
select
    session_id,
    item_in_session
from staging_events
where
    day = :day
    and page = 'NextSong'
union
select
    session_id,
    item_in_session
from songplays
where
    source_day = :day
    -- a play lies within a day of its file's day, so that only these blocks are read
    and start_time between cast(:day as date) - 1 and cast(:day as date) + 2;
