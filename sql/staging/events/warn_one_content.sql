-- warn_one_content: one key, one content: no other line staged for the day, or for a loaded day near it, has
-- an event's key and says something else. A returned row names both lines: of the day, each line that says
-- something else than the key's first. (Two plays of one key, check_grain of songplays keeps out of the star.
-- What is left are lines that are no plays, which nothing is loaded of.)
-- Most keys are there once, and are not looked at again. The ranges only spare blocks: see select_range of
-- songplays.
-- Rerun: only reads.
with repeated as (
    select
        session_id,
        item_in_session
    from staging_events
    where day = :day
    group by session_id, item_in_session
    having count(*) > 1
),

lines as (
    select
        staging_events.session_id,
        staging_events.item_in_session,
        staging_events.content_hash,
        staging_events.source_file,
        staging_events.source_line,
        first_value(staging_events.content_hash) over (
            partition by staging_events.session_id, staging_events.item_in_session
            order by staging_events.source_file, staging_events.source_line
            rows between unbounded preceding and current row
        ) as first_content,
        first_value(staging_events.source_file) over (
            partition by staging_events.session_id, staging_events.item_in_session
            order by staging_events.source_file, staging_events.source_line
            rows between unbounded preceding and current row
        ) as first_file,
        first_value(staging_events.source_line) over (
            partition by staging_events.session_id, staging_events.item_in_session
            order by staging_events.source_file, staging_events.source_line
            rows between unbounded preceding and current row
        ) as first_line
    from repeated
    inner join staging_events
        on
            repeated.session_id = staging_events.session_id
            and repeated.item_in_session = staging_events.item_in_session
    where staging_events.day = :day
),

near as (
    select
        staging_events.session_id,
        staging_events.item_in_session,
        staging_events.content_hash,
        staging_events.source_file,
        staging_events.source_line
    from staging_events
    inner join days_in_step on staging_events.day = days_in_step.day
    where
        (
            staging_events.day between :first_day and cast(:day as date) - 1
            or staging_events.day between cast(:day as date) + 1 and :last_day
        )
        and staging_events.session_id between :least_session and :greatest_session
)

select
    session_id,
    item_in_session,
    first_file as source_file,
    first_line as source_line,
    source_file as other_file,
    source_line as other_line
from lines
where content_hash <> first_content
union all
select
    staging_events.session_id,
    staging_events.item_in_session,
    staging_events.source_file,
    staging_events.source_line,
    near.source_file as other_file,
    near.source_line as other_line
from staging_events
inner join near
    on
        staging_events.session_id = near.session_id
        and staging_events.item_in_session = near.item_in_session
where
    staging_events.day = :day
    and staging_events.content_hash <> near.content_hash;
