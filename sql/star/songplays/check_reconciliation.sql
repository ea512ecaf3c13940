-- check_reconciliation: of the day's staged plays, each is in the star or is a copy of one that the star has
-- from an earlier line; to the row. A returned row is a play that the star has in neither way, one that the
-- star has and staging has not, or one that the star has though an earlier day's file has it (original_*).
-- (That no key is there twice, check_grain says.)
-- The ranges only spare blocks: see select_range of songplays.
-- Rerun: only reads.
with plays as (
    select
        source_file,
        source_line
    from staging_events
    where
        day = :day
        and page = 'NextSong'
),

held as (
    select
        source_file,
        source_line
    from songplays
    where
        source_day = :day
        and start_time between :least_start_time and :greatest_start_time
),

lone as (
    select
        coalesce(plays.source_file, held.source_file) as source_file,
        coalesce(plays.source_line, held.source_line) as source_line,
        case when plays.source_line is null then 'no' else 'yes' end as staged,
        case when held.source_line is null then 'no' else 'yes' end as in_star
    from plays
    full join held
        on
            plays.source_file = held.source_file
            and plays.source_line = held.source_line
    where
        plays.source_line is null
        or held.source_line is null
),

unmatched as (
    select
        lone.source_file,
        lone.source_line,
        lone.staged,
        lone.in_star,
        staging_events.session_id,
        staging_events.item_in_session,
        staging_events.content_hash
    from lone
    left join staging_events
        on
            lone.source_file = staging_events.source_file
            and lone.source_line = staging_events.source_line
            and staging_events.day = :day
)

select
    unmatched.source_file,
    unmatched.source_line,
    unmatched.staged,
    unmatched.in_star,
    cast(null as varchar(1024)) as original_file,
    cast(null as bigint) as original_line
from unmatched
left join songplays
    on
        unmatched.session_id = songplays.session_id
        and unmatched.item_in_session = songplays.item_in_session
        and unmatched.content_hash = songplays.content_hash
        and songplays.session_id between :least_session and :greatest_session
        and (
            songplays.source_day < :day
            or (
                songplays.source_day = :day
                and (
                    unmatched.source_file > songplays.source_file
                    or (
                        unmatched.source_file = songplays.source_file
                        and unmatched.source_line > songplays.source_line
                    )
                )
            )
        )
where songplays.songplay_id is null
union all
select
    songplays.source_file,
    songplays.source_line,
    'yes' as staged,
    'yes' as in_star,
    staging_events.source_file as original_file,
    staging_events.source_line as original_line
from staging_events
inner join days_in_step on staging_events.day = days_in_step.day
inner join songplays
    on
        staging_events.session_id = songplays.session_id
        and staging_events.item_in_session = songplays.item_in_session
        and staging_events.content_hash = songplays.content_hash
where
    staging_events.day between :first_day and cast(:day as date) - 1
    and staging_events.session_id between :least_session and :greatest_session
    and staging_events.page = 'NextSong'
    and songplays.source_day = :day
    and songplays.start_time between :least_start_time and :greatest_start_time;
