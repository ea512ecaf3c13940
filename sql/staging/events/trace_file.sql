-- staging_events: what became of each good and each bad line of a file, or of one line. Grain: source_line.
-- place orders the outcomes, what people look for first. A blank line has no row.
with lines as (
    select
        staging_events.source_line,
        staging_events.page,
        staging_events.content_hash,
        cast(staging_events.session_id as varchar(20)) || '-'
        || cast(staging_events.item_in_session as varchar(11)) as songplay_id
    from staging_events
    where
        staging_events.day = :day
        and staging_events.source_file = :file
        and (cast(:line as bigint) is null or staging_events.source_line = cast(:line as bigint))
)

select
    1 as place,
    source_line as line,
    'quarantined' as became,
    cast(null as varchar(32)) as row_key,
    reason || ': ' || detail as detail
from quarantine
where
    source = 'events'
    and source_file = :file
    and (cast(:line as bigint) is null or source_line = cast(:line as bigint))
union all
select
    case
        when lines.page <> 'NextSong' then 4
        when songplays.songplay_id is null then 2
        when lines.content_hash <> songplays.content_hash then 2
        when songplays.source_file = :file and songplays.source_line = lines.source_line then 5
        else 3
    end as place,
    lines.source_line as line,
    case
        when lines.page <> 'NextSong' then 'left out'
        when songplays.songplay_id is null then 'not loaded'
        when lines.content_hash <> songplays.content_hash then 'not loaded'
        when songplays.source_file = :file and songplays.source_line = lines.source_line then 'play'
        else 'duplicate'
    end as became,
    case when lines.page = 'NextSong' then songplays.songplay_id end as row_key,
    case
        when lines.page <> 'NextSong' then 'not a play: ' || lines.page
        when songplays.songplay_id is null then 'its day is not loaded, or was staged again since'
        when songplays.source_file = :file and songplays.source_line = lines.source_line then songplays.title
        when lines.content_hash <> songplays.content_hash
            then
                'another content of its key is at ' || songplays.source_file || ':'
                || cast(songplays.source_line as varchar(20))
        else 'of ' || songplays.source_file || ':' || cast(songplays.source_line as varchar(20))
    end as detail
from lines
left join songplays on lines.songplay_id = songplays.songplay_id;
