-- check_grain: one row a songplay_id, over all days, among the plays that a load of the day may write.
-- The sessions' range only spares blocks: see select_sessions of touched_keys.
-- Rerun: only reads.
with repeated as (
    select songplay_id
    from songplays
    where session_id between :least_session and :greatest_session
    group by songplay_id
    having count(*) > 1
)

select
    songplays.songplay_id,
    songplays.source_file,
    songplays.source_line,
    other.source_file as other_file,
    other.source_line as other_line
from repeated
inner join songplays on repeated.songplay_id = songplays.songplay_id
inner join songplays as other on repeated.songplay_id = other.songplay_id
where
    songplays.source_day between :day and :last_day
    and songplays.start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
    and songplays.session_id between :least_session and :greatest_session
    and other.session_id between :least_session and :greatest_session
    and (songplays.source_file <> other.source_file or songplays.source_line <> other.source_line);
