-- staged_files: what became of all lines of a day's files: lines = loaded + duplicates + left_out
-- + quarantined + blank. loaded are plays of the star, duplicates plays that another line brought there,
-- left_out lines that are no plays. Of a day that is loaded as it is staged. Grain: one row.
-- The sums are cast because Redshift's are NUMERIC. Rerun: only reads.
with files as (
    select
        cast(coalesce(sum(lines), 0) as bigint) as lines,
        cast(coalesce(sum(loaded), 0) as bigint) as staged,
        cast(coalesce(sum(quarantined), 0) as bigint) as quarantined,
        cast(coalesce(sum(blank), 0) as bigint) as blank
    from staged_files
    where
        source = 'events'
        and day = :day
),

played as (
    select count(*) as plays
    from staging_events
    where
        day = :day
        and page = 'NextSong'
),

star as (
    select count(*) as loaded
    from songplays
    where source_day = :day
)

select
    files.lines,
    star.loaded,
    played.plays - star.loaded as duplicates,
    files.staged - played.plays as left_out,
    files.quarantined,
    files.blank
from files
cross join played
cross join star;
