-- check_user_is_known: every play of the day has its user.
-- Rerun: only reads.
select
    songplays.songplay_id,
    songplays.user_id
from songplays
left join users on songplays.user_id = users.user_id
where
    songplays.source_day = :day
    and songplays.start_time between cast(:day as date) - 1 and cast(:day as date) + 2
    and users.user_id is null;
