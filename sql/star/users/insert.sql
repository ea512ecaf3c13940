-- users: each touched user with the attributes of their latest play.
-- Rerun: delete.sql first clears the same users, in the same transaction.
insert into users (
    user_id,
    first_name,
    last_name,
    gender,
    level,
    latest_start_time,
    latest_session_id,
    latest_item_in_session
)
with placed as (
    select
        latest_plays.*,
        row_number() over (
            partition by user_id order by start_time desc, session_id desc, item_in_session desc
        ) as place
    from latest_plays
)

select
    user_id,
    first_name,
    last_name,
    gender,
    level,
    start_time,
    session_id,
    item_in_session
from placed
where place = 1;
