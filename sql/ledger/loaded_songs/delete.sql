-- loaded_songs: what the load before brought.
-- Rerun: insert.sql brings the new row, in the same transaction.
delete from loaded_songs;
