-- bereft_users: users whose row stands on a replaced play, and no incoming play is as late. (One as late is
-- the latest: all the others were before the replaced one.)
-- Rerun: the table is temporary and empty; runs before the users are rewritten.
insert into bereft_users (user_id)
select users.user_id
from users
inner join replaced_plays
    on
        users.latest_session_id = replaced_plays.session_id
        and users.latest_item_in_session = replaced_plays.item_in_session
left join latest_plays
    on
        users.user_id = latest_plays.user_id
        and (
            users.latest_start_time < latest_plays.start_time
            or (
                users.latest_start_time = latest_plays.start_time
                and (
                    users.latest_session_id < latest_plays.session_id
                    or (
                        users.latest_session_id = latest_plays.session_id
                        and users.latest_item_in_session <= latest_plays.item_in_session
                    )
                )
            )
        )
where latest_plays.user_id is null;
