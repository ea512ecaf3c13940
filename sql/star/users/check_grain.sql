-- check_grain: one row a user. A returned row is a user with several; songplay_id is the first of their plays
-- of the day, if they have one.
-- Rerun: only reads.
with repeated as (
    select
        user_id,
        count(*) as row_count
    from users
    group by user_id
    having count(*) > 1
)

select
    repeated.user_id,
    repeated.row_count,
    min(songplays.songplay_id) as songplay_id
from repeated
left join songplays
    on
        repeated.user_id = songplays.user_id
        and songplays.source_day = :day
        and songplays.start_time between :least_start_time and :greatest_start_time
group by repeated.user_id, repeated.row_count;
