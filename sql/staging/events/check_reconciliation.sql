-- check_reconciliation: of each of the day's files, lines = loaded + quarantined, by the ledger, by the rows
-- of staging and by the quarantine's index. A returned row is a file whose sums do not agree.
-- Rerun: only reads.
with staged as (
    select
        source_file,
        count(*) as row_count
    from staging_events
    where day = :day
    group by source_file
),

quarantined as (
    select
        quarantine.source_file,
        count(*) as row_count
    from quarantine
    inner join staging_versions
        on
            quarantine.source = staging_versions.source
            and quarantine.day = staging_versions.day
            and quarantine.version = staging_versions.version
    where
        quarantine.source = 'events'
        and quarantine.day = :day
    group by quarantine.source_file
),

files as (
    select *
    from staged_files
    where
        source = 'events'
        and day = :day
)

select
    coalesce(files.source_file, staged.source_file) as source_file,
    files.lines,
    files.loaded,
    staged.row_count as staged_rows,
    files.quarantined,
    quarantined.row_count as quarantine_rows
from files
full join staged on files.source_file = staged.source_file
left join quarantined on files.source_file = quarantined.source_file
where
    files.source_file is null
    or files.lines <> files.loaded + files.quarantined
    or files.loaded <> coalesce(staged.row_count, 0)
    or files.quarantined <> coalesce(quarantined.row_count, 0);
