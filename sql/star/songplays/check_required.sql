-- check_required: a play has its key, level and lineage, and what it points to is there: its user, its start
-- time and the song that it is matched to, with its artist. A returned row is a play, with what it points to
-- in vain.
-- (NOT NULL says some of it too; this one still holds where somebody changed the table.)
-- Rerun: only reads.
select
    songplays.songplay_id,
    songplays.level,
    songplays.source_file,
    songplays.source_line,
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
        or users.user_id = ''
        or "time".start_time is null
        or (songs.song_id is null and (songplays.song_id is not null or songplays.artist_id is not null))
        or songplays.level is null
        or songplays.level = ''
        or songplays.session_id is null
        or songplays.item_in_session is null
        or songplays.source_file is null
        or songplays.source_line is null
        or songplays.songplay_id is null
        or songplays.songplay_id
        <> cast(songplays.session_id as varchar(20)) || '-' || cast(songplays.item_in_session as varchar(11))
    );
