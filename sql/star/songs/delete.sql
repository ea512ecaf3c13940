-- songs: the changed songs leave.
-- Rerun: insert.sql brings those that are still staged, in the same transaction.
delete from songs
using changed_songs
where songs.song_id = changed_songs.song_id;
