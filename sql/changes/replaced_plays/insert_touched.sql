-- replaced_plays: what the star holds of the touched events, from this day and the days that it reaches.
-- The ranges only spare blocks: see select_range of songplays.
-- Rerun: the table is temporary and empty.
insert into replaced_plays (songplay_id, user_id, start_time, session_id, item_in_session)
select
    songplays.songplay_id,
    songplays.user_id,
    songplays.start_time,
    songplays.session_id,
    songplays.item_in_session
from touched_keys
inner join songplays
    on
        touched_keys.session_id = songplays.session_id
        and touched_keys.item_in_session = songplays.item_in_session
where
    songplays.source_day between :day and :last_day
    and songplays.session_id between :least_session and :greatest_session
    and songplays.start_time between :least_start_time and :greatest_start_time;
