-- staged_files: the files that this stage read.
-- Rerun: delete.sql first clears the same files, in the same transaction.
insert into staged_files (
    source, day, source_file, etag, size, lines, loaded, quarantined, blank, version, run
)
select
    cast(:source as varchar(16)) as source,
    cast(:day as date) as day,
    source_file,
    etag,
    size,
    lines,
    loaded,
    quarantined,
    blank,
    cast(:version as varchar(64)) as version,
    cast(:run as varchar(256)) as run
from touched_files
where etag is not null;
