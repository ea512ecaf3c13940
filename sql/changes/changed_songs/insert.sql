-- changed_songs: songs that are new, changed or gone.
-- Rerun: the table is temporary and empty.
insert into changed_songs (song_id)
with lines as (
    select
        song_id,
        source_file,
        source_line,
        content_hash,
        row_number() over (partition by song_id order by source_file, source_line) as place
    from staging_songs
),

staged as (
    select
        song_id,
        source_file,
        source_line,
        content_hash
    from lines
    where place = 1
)

select coalesce(staged.song_id, songs.song_id) as song_id
from staged
full join songs on staged.song_id = songs.song_id
where
    staged.song_id is null
    or songs.song_id is null
    or staged.content_hash <> songs.content_hash
    or staged.source_file <> songs.source_file
    or staged.source_line <> songs.source_line;
