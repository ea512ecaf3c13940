-- users: everyone whose plays this load touched leaves.
-- Rerun: insert.sql brings those who still have a play, in the same transaction.
delete from users
where user_id in (
    select user_id from replaced_plays
    union
    select user_id from incoming_plays
);
