-- check_grain: one row a song_id.
-- Rerun: only reads.
select
    song_id,
    count(*) as row_count
from songs
group by song_id
having count(*) > 1;
