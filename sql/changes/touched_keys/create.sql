-- touched_keys: the events that a load of one day decides upon. Grain: session_id, item_in_session.
-- Rerun: a temporary table of the load's own transaction.
create temp table touched_keys (
    session_id bigint not null,
    item_in_session integer not null
);
