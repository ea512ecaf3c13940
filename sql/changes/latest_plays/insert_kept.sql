-- latest_plays: the play that a user's row stands on, where this load did not replace it.
-- Rerun: runs once in a load, before the users are rewritten.
insert into latest_plays (
    user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session
)
with touched as (
    select user_id from replaced_plays
    union
    select user_id from incoming_plays
)

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.gender,
    users.level,
    users.latest_start_time,
    users.latest_session_id,
    users.latest_item_in_session
from users
inner join touched on users.user_id = touched.user_id
left join replaced_plays
    on
        users.latest_session_id = replaced_plays.session_id
        and users.latest_item_in_session = replaced_plays.item_in_session
where replaced_plays.songplay_id is null;
