-- check_grain: one row a user, among the users of the day. songplay_id is the first of their plays of the
-- day.
-- Rerun: only reads.
with day_users as (
    select
        user_id,
        min(songplay_id) as songplay_id
    from songplays
    where
        source_day = :day
        and start_time between cast(:day as date) - 1 and cast(:day as date) + 2
    group by user_id
)

select
    users.user_id,
    day_users.songplay_id,
    count(*) as row_count
from users
inner join day_users on users.user_id = day_users.user_id
group by users.user_id, day_users.songplay_id
having count(*) > 1;
