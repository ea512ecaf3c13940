-- check_references: every play of the day has its user and its row in time, and the song that it is matched
-- to is there, with its artist. A returned row is a play, with what is missing.
-- Rerun: only reads.
select
    songplays.songplay_id,
    case when users.user_id is null then songplays.user_id end as missing_user_id,
    case when "time".start_time is null then songplays.start_time end as missing_start_time,
    case when songs.song_id is null then songplays.song_id end as missing_song_id,
    case when songs.song_id is null then songplays.artist_id end as missing_artist_id
from songplays
left join users on songplays.user_id = users.user_id
left join "time"
    on
        songplays.start_time = "time".start_time
        and "time".start_time between :least_start_time and :greatest_start_time
left join songs
    on
        songplays.song_id = songs.song_id
        and songplays.artist_id = songs.artist_id
where
    songplays.source_day = :day
    and songplays.start_time between :least_start_time and :greatest_start_time
    and (
        users.user_id is null
        or "time".start_time is null
        or (songs.song_id is null and (songplays.song_id is not null or songplays.artist_id is not null))
    );
