-- artists: the changed artists that have a staged song, one row an artist.
-- Rerun: delete.sql first clears the same artists, in the same transaction.
insert into artists (
    artist_id, name, location, latitude, longitude, source_file, source_line, content_hash
)
with lines as (
    select
        staging_songs.*,
        row_number() over (
            partition by staging_songs.artist_id order by staging_songs.source_file, staging_songs.source_line
        ) as place
    from staging_songs
    inner join changed_artists on staging_songs.artist_id = changed_artists.artist_id
)

select
    artist_id,
    artist_name,
    artist_location,
    artist_latitude,
    artist_longitude,
    source_file,
    source_line,
    content_hash
from lines
where place = 1;
