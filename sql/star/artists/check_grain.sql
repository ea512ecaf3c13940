-- check_grain: one row an artist_id. A returned row is one of several.
-- Rerun: only reads.
with repeated as (
    select
        artist_id,
        count(*) as row_count
    from artists
    group by artist_id
    having count(*) > 1
)

select
    repeated.artist_id,
    repeated.row_count,
    artists.source_file,
    artists.source_line
from repeated
inner join artists on repeated.artist_id = artists.artist_id;
