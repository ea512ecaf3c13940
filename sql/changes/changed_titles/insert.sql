-- changed_titles: the titles that changed songs have in the star, and those that they will have.
-- Rerun: the table is temporary and empty; runs before the songs are rewritten.
insert into changed_titles (title, artist_name)
select
    songs.title,
    songs.artist_name
from songs
inner join changed_songs on songs.song_id = changed_songs.song_id
union
select
    staging_songs.title,
    staging_songs.artist_name
from staging_songs
inner join changed_songs on staging_songs.song_id = changed_songs.song_id;
