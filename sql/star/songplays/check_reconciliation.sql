-- check_reconciliation: of the day's staged plays, each is in the star or is a copy of one that an earlier
-- line holds; to the row. A returned row is a play that is in neither or in both, or one that the star holds
-- and staging has not.
-- Rerun: only reads.
with plays as (
    select
        session_id,
        item_in_session,
        content_hash,
        day,
        source_file,
        source_line
    from staging_events
    where
        day = :day
        and page = 'NextSong'
),

holders as (
    select
        staging_events.session_id,
        staging_events.item_in_session,
        staging_events.content_hash,
        staging_events.day,
        staging_events.source_file,
        staging_events.source_line
    from staging_events
    inner join days_in_step on staging_events.day = days_in_step.day
    where
        staging_events.day between :first_day and :day
        and staging_events.page = 'NextSong'
    union all
    select
        songplays.session_id,
        songplays.item_in_session,
        songplays.content_hash,
        songplays.source_day,
        songplays.source_file,
        songplays.source_line
    from songplays
    left join days_in_step on songplays.source_day = days_in_step.day
    where
        songplays.source_day between :first_day and :day
        and songplays.start_time between cast(:first_day as date) - 1 and cast(:day as date) + 2
        and days_in_step.day is null
),

copies as (
    select distinct
        plays.source_file,
        plays.source_line
    from plays
    inner join holders
        on
            plays.session_id = holders.session_id
            and plays.item_in_session = holders.item_in_session
            and plays.content_hash = holders.content_hash
    where
        holders.day < plays.day
        or (
            holders.day = plays.day
            and (
                holders.source_file < plays.source_file
                or (
                    holders.source_file = plays.source_file
                    and holders.source_line < plays.source_line
                )
            )
        )
),

held as (
    select
        source_file,
        source_line
    from songplays
    where
        source_day = :day
        and start_time between cast(:day as date) - 1 and cast(:day as date) + 2
)

select
    coalesce(plays.source_file, held.source_file) as source_file,
    coalesce(plays.source_line, held.source_line) as source_line,
    case when plays.source_line is null then 'no' else 'yes' end as staged,
    case when held.source_line is null then 'no' else 'yes' end as in_star,
    case when copies.source_line is null then 'no' else 'yes' end as is_copy
from plays
full join held
    on
        plays.source_file = held.source_file
        and plays.source_line = held.source_line
left join copies
    on
        plays.source_file = copies.source_file
        and plays.source_line = copies.source_line
where
    plays.source_line is null
    or (held.source_line is null and copies.source_line is null)
    or (held.source_line is not null and copies.source_line is not null);
