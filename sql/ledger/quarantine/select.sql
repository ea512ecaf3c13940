-- quarantine: bad lines, with the state in which their file was staged. Grain: source_file, source_line.
-- Each parameter is null where it does not matter; file is the end of a name.
select
    quarantine.source,
    quarantine.day,
    quarantine.source_file,
    quarantine.source_line,
    quarantine.reason,
    quarantine.detail,
    quarantine.raw_object,
    quarantine.raw_offset,
    quarantine.raw_length,
    quarantine.version,
    quarantine.run,
    staged_files.etag
from quarantine
left join staged_files
    on
        quarantine.source = staged_files.source
        and quarantine.source_file = staged_files.source_file
where
    (cast(:source as varchar(16)) is null or quarantine.source = cast(:source as varchar(16)))
    and (cast(:day as date) is null or quarantine.day = cast(:day as date))
    and (cast(:reason as varchar(32)) is null or quarantine.reason = cast(:reason as varchar(32)))
    and (cast(:line as bigint) is null or quarantine.source_line = cast(:line as bigint))
    and (
        cast(:file as varchar(1024)) is null
        or right(quarantine.source_file, length(cast(:file as varchar(1024))))
        = cast(:file as varchar(1024))
    )
order by quarantine.source, quarantine.day, quarantine.source_file, quarantine.source_line;
