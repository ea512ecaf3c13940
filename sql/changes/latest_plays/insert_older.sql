-- latest_plays: the latest play that the star holds of each bereft user.
-- Rerun: runs at most once in a load, after the plays are rewritten, and only where there are such users:
-- it is the only statement that looks at plays of all days.
insert into latest_plays (
    user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session
)
with placed as (
    select
        songplays.*,
        row_number() over (
            partition by songplays.user_id
            order by songplays.start_time desc, songplays.session_id desc, songplays.item_in_session desc
        ) as place
    from bereft_users
    inner join songplays on bereft_users.user_id = songplays.user_id
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
