-- songplays: the replaced plays leave. All are near the day, unless songs changed (delete_retitled).
-- Rerun: insert.sql brings what holds now, in the same transaction.
delete from songplays
using replaced_plays
where
    songplays.songplay_id = replaced_plays.songplay_id
    and songplays.start_time = replaced_plays.start_time
    -- only these blocks are read
    and songplays.start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2;
