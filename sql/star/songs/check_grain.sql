-- check_grain: one row a song_id. A returned row is one of several.
-- Rerun: only reads.
with counted as (
    select
        song_id,
        source_file,
        source_line,
        count(*) over (partition by song_id) as row_count
    from songs
)

select
    song_id,
    row_count,
    source_file,
    source_line
from counted
where row_count > 1;
