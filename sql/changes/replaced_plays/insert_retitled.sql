-- replaced_plays: the plays that insert_retitled of incoming_plays took from the star, found by their very
-- line: an incoming play that merely has the same key must not make room for itself.
-- Rerun: runs once in a load.
insert into replaced_plays (songplay_id, user_id, start_time, session_id, item_in_session)
select
    songplays.songplay_id,
    songplays.user_id,
    songplays.start_time,
    songplays.session_id,
    songplays.item_in_session
from incoming_plays
inner join songplays
    on
        incoming_plays.songplay_id = songplays.songplay_id
        and incoming_plays.source_day = songplays.source_day
        and incoming_plays.source_file = songplays.source_file
        and incoming_plays.source_line = songplays.source_line
left join replaced_plays on songplays.songplay_id = replaced_plays.songplay_id
where replaced_plays.songplay_id is null;
