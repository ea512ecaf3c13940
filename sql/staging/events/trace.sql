-- staging_events: every staged line that has a play's key: the one that holds it, and its copies.
-- Grain: source_file, source_line.
select
    staging_events.source_file,
    staging_events.source_line,
    staging_events.day,
    staging_events.page,
    staging_events.content_hash,
    case
        when songplays.songplay_id is not null then 'holds the play'
        when staging_events.page <> 'NextSong' then 'left out: not a play'
        else 'a copy, or not loaded'
    end as what
from staging_events
left join songplays
    on
        staging_events.source_file = songplays.source_file
        and staging_events.source_line = songplays.source_line
        and songplays.songplay_id = :songplay_id
where
    staging_events.session_id = :session_id
    and staging_events.item_in_session = :item_in_session
order by staging_events.day, staging_events.source_file, staging_events.source_line;
