-- touched_keys: the events that a load of one day decides upon, each with the least and greatest start time
-- that it is said to have. Grain: session_id, item_in_session.
-- Rerun: a temporary table of the load's own transaction.
create temp table touched_keys (
    session_id bigint not null,
    item_in_session integer not null,
    least_start_time timestamp not null,
    greatest_start_time timestamp not null
);
