-- changed_artists: artists that are new, changed or gone.
-- Rerun: the table is temporary and empty.
insert into changed_artists (artist_id)
with lines as (
    select
        artist_id,
        source_file,
        source_line,
        content_hash,
        row_number() over (partition by artist_id order by source_file, source_line) as place
    from staging_songs
),

staged as (
    select
        artist_id,
        source_file,
        source_line,
        content_hash
    from lines
    where place = 1
)

select coalesce(staged.artist_id, artists.artist_id) as artist_id
from staged
full join artists on staged.artist_id = artists.artist_id
where
    staged.artist_id is null
    or artists.artist_id is null
    or staged.content_hash <> artists.content_hash
    or staged.source_file <> artists.source_file
    or staged.source_line <> artists.source_line;
