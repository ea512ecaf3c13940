-- artists: the changed artists leave.
-- Rerun: insert.sql brings those that still have a song, in the same transaction.
delete from artists
using changed_artists
where artists.artist_id = changed_artists.artist_id;
