-- songplays: the replaced plays leave, on whatever day a changed song touched them.
-- Rerun: insert.sql brings what holds now, in the same transaction.
delete from songplays
using replaced_plays
where
    songplays.songplay_id = replaced_plays.songplay_id
    and songplays.start_time = replaced_plays.start_time;
