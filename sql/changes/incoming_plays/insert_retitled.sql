-- incoming_plays: the star's own plays, of whatever day, that a changed song may match or no longer match.
-- Rerun: runs once in a load, after insert_touched of replaced_plays: what is replaced already is left out.
insert into incoming_plays (
    songplay_id, start_time, user_id, level, session_id, location, user_agent, item_in_session,
    title, artist_name, duration, first_name, last_name, gender, source_day, source_file,
    source_line, content_hash
)
select
    songplays.songplay_id,
    songplays.start_time,
    songplays.user_id,
    songplays.level,
    songplays.session_id,
    songplays.location,
    songplays.user_agent,
    songplays.item_in_session,
    songplays.title,
    songplays.artist_name,
    songplays.duration,
    songplays.first_name,
    songplays.last_name,
    songplays.gender,
    songplays.source_day,
    songplays.source_file,
    songplays.source_line,
    songplays.content_hash
from songplays
inner join changed_titles
    on
        songplays.title = changed_titles.title
        and songplays.artist_name = changed_titles.artist_name
left join replaced_plays on songplays.songplay_id = replaced_plays.songplay_id
where replaced_plays.songplay_id is null;
