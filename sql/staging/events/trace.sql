-- staging_events: every staged line that has a play's key, and what became of it.
-- Grain: source_file, source_line.
select
    staging_events.source_file,
    staging_events.source_line,
    staging_events.day,
    staging_events.page,
    staging_events.content_hash,
    case
        when staging_events.page <> 'NextSong' then 'left out: not a play'
        when songplays.songplay_id is null then 'not loaded'
        when staging_events.content_hash <> songplays.content_hash then 'not loaded: another content'
        when
            staging_events.source_file = songplays.source_file
            and staging_events.source_line = songplays.source_line
            then 'play'
        else 'duplicate'
    end as became
from staging_events
left join songplays on songplays.songplay_id = :songplay_id
where
    staging_events.session_id = :session_id
    and staging_events.item_in_session = :item_in_session
order by staging_events.day, staging_events.source_file, staging_events.source_line;
