-- check_required: a song has a title, an artist that is known, and a duration.
-- Rerun: only reads.
select
    songs.song_id,
    songs.title,
    songs.artist_id,
    songs.duration,
    songs.source_file,
    songs.source_line
from songs
left join artists on songs.artist_id = artists.artist_id
where
    songs.title is null
    or songs.title = ''
    or artists.artist_id is null
    or songs.duration is null;
