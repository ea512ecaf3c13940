-- staging_songs: the rows of every file that is new, changed or gone leave.
-- Rerun: touched_files names those files; copy.sql brings the new and changed ones back, in the same
-- transaction.
delete from staging_songs
using touched_files
where staging_songs.source_file = touched_files.source_file;
