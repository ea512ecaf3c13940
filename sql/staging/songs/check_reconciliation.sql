-- check_reconciliation: every line of every song file is staged, quarantined or blank, and just once: by the
-- ledger, by the rows of staging and by the quarantine's index. A returned row is a file whose sums do not
-- agree; row_count <> line_count says that a line stands twice. What became of the staged songs is proved by
-- check_in_line_with_staging of the star's songs.
-- Rerun: only reads.
with accounted as (
    select
        source_file,
        source_line,
        1 as is_staged,
        0 as is_quarantined
    from staging_songs
    union all
    select
        quarantine.source_file,
        quarantine.source_line,
        0 as is_staged,
        case when quarantine.version = staged_files.version then 1 else 0 end as is_quarantined
    from quarantine
    left join staged_files
        on
            quarantine.source = staged_files.source
            and quarantine.source_file = staged_files.source_file
    where quarantine.source = 'songs'
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
        source_file,
        lines,
        loaded,
        quarantined,
        blank
    from staged_files
    where source = 'songs'
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
    files.source_file is null
    or files.lines <> files.loaded + files.quarantined + files.blank
    or files.loaded <> coalesce(sums.staged_rows, 0)
    or files.quarantined <> coalesce(sums.quarantine_rows, 0)
    or files.loaded + files.quarantined <> coalesce(sums.line_count, 0)
    or sums.row_count <> sums.line_count
    or sums.first_line < 1
    or sums.last_line > files.lines;
