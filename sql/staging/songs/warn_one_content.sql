-- warn_one_content: a song_id stands in one line only; of several the first line is taken.
-- Rerun: only reads.
select
    song_id,
    count(*) as line_count,
    min(source_file) as source_file,
    max(source_file) as last_file
from staging_songs
group by song_id
having count(*) > 1;
