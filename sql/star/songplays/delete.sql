-- songplays: the replaced plays leave. All are near the day, unless songs changed (delete_retitled).
-- Rerun: insert.sql brings what holds now, in the same transaction.
delete from songplays
using replaced_plays
where
    songplays.songplay_id = replaced_plays.songplay_id
    and songplays.start_time = replaced_plays.start_time
    -- only these blocks are read
    and songplays.start_time between :least_start_time and :greatest_start_time;
