-- replaced_plays: the star's plays that a load takes out, to write incoming_plays. Grain: songplay_id.
-- Rerun: a temporary table of the load's own transaction.
create temp table replaced_plays (
    songplay_id varchar(32) not null,
    user_id varchar(64) not null,
    start_time timestamp not null,
    session_id bigint not null,
    item_in_session integer not null
);
