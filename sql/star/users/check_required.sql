-- check_required: a user of the day has an id, a level and a latest play that is in the star.
-- Rerun: only reads.
with day_users as (
    select distinct user_id
    from songplays
    where
        source_day = :day
        and start_time between cast(:day as date) - 1 and cast(:day as date) + 2
)

select
    users.user_id,
    users.level,
    users.latest_session_id,
    users.latest_item_in_session
from day_users
inner join users on day_users.user_id = users.user_id
left join songplays
    on
        cast(users.latest_session_id as varchar(20))
        || '-'
        || cast(users.latest_item_in_session as varchar(11))
        = songplays.songplay_id
        and users.user_id = songplays.user_id
        and users.latest_start_time = songplays.start_time
where
    users.level is null
    or users.level = ''
    or songplays.songplay_id is null;
