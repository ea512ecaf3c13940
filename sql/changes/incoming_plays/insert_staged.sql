-- incoming_plays: who holds the touched events now, of those that this day can decide upon: the earliest
-- (day, file, line) of the same content within the days in which copies are looked for. A change of this day
-- reaches the days after it: a copy there gains or loses the event.
-- Of a day out of step the star's own rows count, not its new staging.
-- The ranges only spare blocks: see select_range of songplays.
-- Rerun: the table is temporary and empty.
insert into incoming_plays (
    songplay_id, start_time, user_id, level, session_id, location, user_agent, item_in_session,
    title, artist_name, duration, first_name, last_name, gender, source_day, source_file,
    source_line, content_hash
)
with candidates as (
    select
        staging_events.ts as start_time,
        staging_events.user_id,
        staging_events.level,
        staging_events.session_id,
        staging_events.location,
        staging_events.user_agent,
        staging_events.item_in_session,
        staging_events.song as title,
        staging_events.artist as artist_name,
        staging_events.length as duration,
        staging_events.first_name,
        staging_events.last_name,
        staging_events.gender,
        staging_events.day as source_day,
        staging_events.source_file,
        staging_events.source_line,
        staging_events.content_hash
    from touched_keys
    inner join staging_events
        on
            touched_keys.session_id = staging_events.session_id
            and touched_keys.item_in_session = staging_events.item_in_session
    inner join days_in_step on staging_events.day = days_in_step.day
    where
        staging_events.day between :first_day and :last_day
        and staging_events.session_id between :least_session and :greatest_session
        and staging_events.page = 'NextSong'
    union all
    select
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
    from touched_keys
    inner join songplays
        on
            touched_keys.session_id = songplays.session_id
            and touched_keys.item_in_session = songplays.item_in_session
    left join days_in_step on songplays.source_day = days_in_step.day
    where
        songplays.source_day between :first_day and :last_day
        and songplays.session_id between :least_session and :greatest_session
        and songplays.start_time between :least_start_time and :greatest_start_time
        and days_in_step.day is null
),

placed as (
    select
        candidates.*,
        lag(source_day) over (
            partition by session_id, item_in_session, content_hash
            order by source_day, source_file, source_line
        ) as earlier_day
    from candidates
)

select
    cast(session_id as varchar(20)) || '-' || cast(item_in_session as varchar(11)) as songplay_id,
    start_time,
    user_id,
    level,
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
    content_hash
from placed
where
    source_day between :day and :last_day
    and (earlier_day is null or source_day - earlier_day > :duplicate_days);
