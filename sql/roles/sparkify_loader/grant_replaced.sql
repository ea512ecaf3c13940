-- What a step replaces: it deletes rows and inserts new ones, by INSERT or COPY, and updates none.
-- Rerun: changes nothing.
grant select, insert, delete on table
staging_events,
staging_songs,
songplays,
users,
songs,
artists,
"time",
check_results,
column_statistics,
loaded_days,
loaded_songs,
quarantine,
schema_drift,
staged_files,
staged_parts,
staging_versions
to role sparkify_loader;
