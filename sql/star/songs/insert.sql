-- songs: the changed songs that are staged, one row a song.
-- Rerun: delete.sql first clears the same songs, in the same transaction.
insert into songs (
    song_id, title, artist_id, year, duration, artist_name, source_file, source_line, content_hash
)
with lines as (
    select
        staging_songs.*,
        row_number() over (
            partition by staging_songs.song_id order by staging_songs.source_file, staging_songs.source_line
        ) as place
    from staging_songs
    inner join changed_songs on staging_songs.song_id = changed_songs.song_id
)

select
    song_id,
    title,
    artist_id,
    year,
    duration,
    artist_name,
    source_file,
    source_line,
    content_hash
from lines
where place = 1;
