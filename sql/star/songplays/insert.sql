-- songplays: the incoming plays, each matched to a song by title, artist and duration within a tolerance;
-- of several the nearest in duration, then the first song_id. A play without a match is kept.
-- Rerun: delete.sql first clears the same plays, in the same transaction.
insert into songplays (
    songplay_id,
    start_time,
    user_id,
    level,
    song_id,
    artist_id,
    session_id,
    location,
    user_agent,
    item_in_session,
    title,
    artist_name,
    duration,
    first_name,
    last_name,
    gender,
    source_day,
    source_file,
    source_line,
    content_hash,
    load_id
)
with matches as (
    select
        incoming_plays.source_file,
        incoming_plays.source_line,
        songs.song_id,
        songs.artist_id,
        row_number() over (
            partition by incoming_plays.source_file, incoming_plays.source_line
            order by abs(songs.duration - incoming_plays.duration), songs.song_id
        ) as place
    from incoming_plays
    inner join songs
        on
            incoming_plays.title = songs.title
            and incoming_plays.artist_name = songs.artist_name
    where abs(songs.duration - incoming_plays.duration) <= :match_tolerance
)

select
    incoming_plays.songplay_id,
    incoming_plays.start_time,
    incoming_plays.user_id,
    incoming_plays.level,
    matches.song_id,
    matches.artist_id,
    incoming_plays.session_id,
    incoming_plays.location,
    incoming_plays.user_agent,
    incoming_plays.item_in_session,
    incoming_plays.title,
    incoming_plays.artist_name,
    incoming_plays.duration,
    incoming_plays.first_name,
    incoming_plays.last_name,
    incoming_plays.gender,
    incoming_plays.source_day,
    incoming_plays.source_file,
    incoming_plays.source_line,
    incoming_plays.content_hash,
    cast(:load_id as varchar(64)) as load_id
from incoming_plays
left join matches
    on
        incoming_plays.source_file = matches.source_file
        and incoming_plays.source_line = matches.source_line
        and matches.place = 1;
