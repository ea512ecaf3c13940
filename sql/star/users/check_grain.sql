-- check_grain: one row a user, among the users of the day.
-- Rerun: only reads.
select
    users.user_id,
    count(*) as row_count
from users
where
    users.user_id in (
        select songplays.user_id
        from songplays
        where
            songplays.source_day = :day
            and songplays.start_time between cast(:day as date) - 1 and cast(:day as date) + 2
    )
group by users.user_id
having count(*) > 1;
