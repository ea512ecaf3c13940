-- latest_plays: each user's latest among the incoming plays.
-- Rerun: the table is temporary and empty.
insert into latest_plays (
    user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session
)
with placed as (
    select
        incoming_plays.*,
        row_number() over (
            partition by user_id order by start_time desc, session_id desc, item_in_session desc
        ) as place
    from incoming_plays
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
