-- check_song_is_known: every song that a play of the day is matched to is there, with its artist.
-- Rerun: only reads.
select
    songplays.songplay_id,
    songplays.song_id,
    songplays.artist_id
from songplays
left join songs
    on
        songplays.song_id = songs.song_id
        and songplays.artist_id = songs.artist_id
where
    songplays.source_day = :day
    and songplays.start_time between cast(:day as date) - 1 and cast(:day as date) + 2
    and (songplays.song_id is not null or songplays.artist_id is not null)
    and songs.song_id is null;
