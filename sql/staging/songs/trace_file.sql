-- staging_songs: what became of each good and each bad line of a file, or of one line. Grain: source_line.
-- place orders the outcomes, what people look for first. A blank line has no row.
with lines as (
    select
        source_line,
        song_id,
        title
    from staging_songs
    where
        source_file = :file
        and (cast(:line as bigint) is null or source_line = cast(:line as bigint))
),

matches as (
    select
        lines.source_line,
        count(*) as plays
    from lines
    inner join songplays on lines.song_id = songplays.song_id
    group by lines.source_line
)

select
    1 as place,
    source_line as line,
    'quarantined' as became,
    cast(null as varchar(64)) as row_key,
    reason || ': ' || detail as detail
from quarantine
where
    source = 'songs'
    and source_file = :file
    and (cast(:line as bigint) is null or source_line = cast(:line as bigint))
union all
select
    case
        when songs.song_id is null then 2
        when songs.source_file = :file and songs.source_line = lines.source_line then 5
        else 3
    end as place,
    lines.source_line as line,
    case
        when songs.song_id is null then 'not loaded'
        when songs.source_file = :file and songs.source_line = lines.source_line then 'song'
        else 'duplicate'
    end as became,
    lines.song_id as row_key,
    case
        when songs.song_id is null then 'no load came since it was staged'
        when songs.source_file = :file and songs.source_line = lines.source_line
            then lines.title || ', matched by ' || cast(coalesce(matches.plays, 0) as varchar(20)) || ' plays'
        else 'of ' || songs.source_file || ':' || cast(songs.source_line as varchar(20))
    end as detail
from lines
left join songs on lines.song_id = songs.song_id
left join matches on lines.source_line = matches.source_line;
