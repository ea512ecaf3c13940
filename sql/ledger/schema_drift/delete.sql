-- schema_drift: the entries of the files, and for events of the day, that a stage replaces.
-- Rerun: copy.sql brings the new entries, in the same transaction.
delete from schema_drift
where
    source = :source
    and (
        day = cast(:day as date)
        or source_file in (select touched_files.source_file from touched_files)
    );
