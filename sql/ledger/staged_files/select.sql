-- staged_files: the files of one source that are staged now. Grain: source_file.
select
    source_file,
    etag,
    lines,
    quarantined
from staged_files
where source = :source
order by source_file;
