-- staged_files: the files of one source that are staged now; lines are those that are not blank.
-- Grain: source_file.
select
    source_file,
    etag,
    loaded + quarantined as lines,
    quarantined
from staged_files
where source = :source
order by source_file;
