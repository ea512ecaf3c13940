-- check_required: a play has its key, time, user, level and lineage. (NOT NULL says so too; this one still
-- holds where somebody changed the table.)
-- Rerun: only reads.
select
    songplay_id,
    start_time,
    user_id,
    level,
    source_file,
    source_line
from songplays
where
    source_day = :day
    and start_time between :least_start_time and :greatest_start_time
    and (
        songplay_id is null
        or user_id is null
        or user_id = ''
        or level is null
        or level = ''
        or session_id is null
        or item_in_session is null
        or source_file is null
        or source_line is null
        or songplay_id <> cast(session_id as varchar(20)) || '-' || cast(item_in_session as varchar(11))
    );
