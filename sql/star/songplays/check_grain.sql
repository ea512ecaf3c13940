-- check_grain: one row a songplay_id, over all days, among the sessions of the plays that a load of the day
-- may write. A returned row is one of several: lines that have one key and say different things, for a copy
-- that says the same is not loaded.
-- The ranges only spare blocks: see select_range of songplays.
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
    songplays.source_line
from repeated
inner join songplays on repeated.songplay_id = songplays.songplay_id
where songplays.session_id between :least_session and :greatest_session;
