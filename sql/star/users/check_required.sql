-- check_required: a user has a level and a latest play. Where that play lies near the day, it is in the
-- star; elsewhere its own day's check says so. songplay_id is the first of their plays near the day, if any.
-- Rerun: only reads.
with offending as (
    select
        users.user_id,
        users.level,
        users.latest_start_time,
        users.latest_session_id,
        users.latest_item_in_session
    from users
    left join songplays
        on
            users.user_id = songplays.user_id
            and users.latest_start_time = songplays.start_time
            and users.latest_session_id = songplays.session_id
            and users.latest_item_in_session = songplays.item_in_session
            and songplays.start_time between :least_start_time and :greatest_start_time
    where
        users.level is null
        or users.level = ''
        or (
            songplays.user_id is null
            and users.latest_start_time between :least_start_time and :greatest_start_time
        )
)

select
    offending.user_id,
    offending.level,
    offending.latest_start_time,
    offending.latest_session_id,
    offending.latest_item_in_session,
    min(songplays.songplay_id) as songplay_id
from offending
left join songplays
    on
        offending.user_id = songplays.user_id
        and songplays.start_time between :least_start_time and :greatest_start_time
group by
    offending.user_id,
    offending.level,
    offending.latest_start_time,
    offending.latest_session_id,
    offending.latest_item_in_session;
