-- latest_plays: plays of which one is the latest of its user. Grain: user_id, session_id, item_in_session.
-- Rerun: a temporary table of the load's own transaction.
create temp table latest_plays (
    user_id varchar(64) not null,
    first_name varchar(256),
    last_name varchar(256),
    gender varchar(16),
    level varchar(16) not null,
    start_time timestamp not null,
    session_id bigint not null,
    item_in_session integer not null
);
