-- check_grain: one row a song_id. A returned row is one of several.
-- Rerun: only reads.
with repeated as (
    select
        song_id,
        count(*) as row_count
    from songs
    group by song_id
    having count(*) > 1
)

select
    repeated.song_id,
    repeated.row_count,
    songs.source_file,
    songs.source_line
from repeated
inner join songs on repeated.song_id = songs.song_id;
