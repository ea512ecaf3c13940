-- staged_files: the entries that this stage replaces: every file it touched, and for events the whole day.
-- Rerun: insert.sql brings the new entries, in the same transaction.
delete from staged_files
where
    source = :source
    and (
        day = cast(:day as date)
        or source_file in (select touched_files.source_file from touched_files)
    );
