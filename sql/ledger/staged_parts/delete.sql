-- staged_parts: the parts of the files, and for events of the day, that a stage replaces.
-- Rerun: copy.sql brings the new ones, in the same transaction.
delete from staged_parts
where
    source = :source
    and (
        day = cast(:day as date)
        or source_file in (select touched_files.source_file from touched_files)
    );
