-- bereft_users: users whose latest play is gone and whose next one must be looked for. Grain: user_id.
-- Rerun: a temporary table of the load's own transaction.
create temp table bereft_users (
    user_id varchar(64) not null
);
