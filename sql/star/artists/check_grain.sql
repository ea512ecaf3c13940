-- check_grain: one row a artist_id.
-- Rerun: only reads.
select
    artist_id,
    count(*) as row_count
from artists
group by artist_id
having count(*) > 1;
