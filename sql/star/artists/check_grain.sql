-- check_grain: one row an artist_id. A returned row is one of several.
-- Rerun: only reads.
with counted as (
    select
        artist_id,
        source_file,
        source_line,
        count(*) over (partition by artist_id) as row_count
    from artists
)

select
    artist_id,
    row_count,
    source_file,
    source_line
from counted
where row_count > 1;
