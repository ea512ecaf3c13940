-- check_reconciliation: every line of the day's files is staged, quarantined or blank, and just once: by the
-- ledger, by the rows of staging and by the quarantine's index. A returned row is a file whose sums do not
-- agree; row_count <> line_count says that a line stands twice. What became of the staged plays is proved by
-- the check of the same name of songplays.
-- Rerun: only reads.
with accounted as (
    select
        source_file,
        source_line,
        1 as is_staged,
        0 as is_quarantined
    from staging_events
    where day = :day
    union all
    select
        quarantine.source_file,
        quarantine.source_line,
        0 as is_staged,
        case when quarantine.version = staging_versions.version then 1 else 0 end as is_quarantined
    from quarantine
    left join staging_versions
        on
            quarantine.source = staging_versions.source
            and quarantine.day = staging_versions.day
    where
        quarantine.source = 'events'
        and quarantine.day = :day
),

sums as (
    select
        source_file,
        sum(is_staged) as staged_rows,
        sum(is_quarantined) as quarantine_rows,
        count(*) as row_count,
        count(distinct source_line) as line_count,
        min(source_line) as first_line,
        max(source_line) as last_line
    from accounted
    group by source_file
),

files as (
    select
        staged_files.source_file,
        staged_files.lines,
        staged_files.loaded,
        staged_files.quarantined,
        staged_files.blank,
        staging_versions.version
    from staged_files
    left join staging_versions
        on
            staged_files.source = staging_versions.source
            and staged_files.day = staging_versions.day
            and staged_files.version = staging_versions.version
    where
        staged_files.source = 'events'
        and staged_files.day = :day
)

select
    coalesce(files.source_file, sums.source_file) as source_file,
    files.lines,
    files.loaded,
    sums.staged_rows,
    files.quarantined,
    sums.quarantine_rows,
    files.blank,
    sums.row_count,
    sums.line_count,
    sums.first_line,
    sums.last_line
from files
full join sums on files.source_file = sums.source_file
where
    files.version is null
    or files.lines <> files.loaded + files.quarantined + files.blank
    or files.loaded <> coalesce(sums.staged_rows, 0)
    or files.quarantined <> coalesce(sums.quarantine_rows, 0)
    or files.loaded + files.quarantined <> coalesce(sums.line_count, 0)
    or sums.row_count <> sums.line_count
    or sums.first_line < 1
    or sums.last_line > files.lines;
