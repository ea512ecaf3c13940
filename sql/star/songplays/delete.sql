-- songplays: the replaced plays leave.
-- Rerun: insert.sql brings what holds now, in the same transaction.
delete from songplays
using replaced_plays
where songplays.songplay_id = replaced_plays.songplay_id;
