-- touched_keys: the plays that are staged for the day now, and those that the star holds from it.
-- The range only spares blocks: see select_range of songplays.
-- Rerun: the table is temporary and empty.
insert into touched_keys (session_id, item_in_session)
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
    and start_time between :least_start_time and :greatest_start_time;
