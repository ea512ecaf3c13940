-- The star can be read. Rerun: changes nothing.
grant select on table songplays, users, songs, artists, "time" to role sparkify_reader;
