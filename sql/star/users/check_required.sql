-- check_required: a user of the day has a level and a latest play. Where that play lies near the day, it is
-- in the star; elsewhere its own day's check says so. songplay_id is the first of their plays of the day.
-- Rerun: only reads.
with plays as (
    select
        songplay_id,
        user_id,
        start_time,
        session_id,
        item_in_session,
        source_day
    from songplays
    where start_time between cast(:day as date) - 1 and cast(:day as date) + 2
),

day_users as (
    select
        user_id,
        min(songplay_id) as songplay_id
    from plays
    where source_day = :day
    group by user_id
)

select
    users.user_id,
    day_users.songplay_id,
    users.level,
    users.latest_start_time,
    users.latest_session_id,
    users.latest_item_in_session
from day_users
inner join users on day_users.user_id = users.user_id
left join plays
    on
        users.user_id = plays.user_id
        and users.latest_start_time = plays.start_time
        and users.latest_session_id = plays.session_id
        and users.latest_item_in_session = plays.item_in_session
where
    users.level is null
    or users.level = ''
    or (
        plays.user_id is null
        and users.latest_start_time between cast(:day as date) - 1 and cast(:day as date) + 2
    );
