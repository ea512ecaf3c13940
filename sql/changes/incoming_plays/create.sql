-- incoming_plays: the plays that a load writes, before they are matched to songs. Grain: session_id,
-- item_in_session. Rerun: a temporary table of the load's own transaction.
create temp table incoming_plays (
    songplay_id varchar(32) not null,
    start_time timestamp not null,
    user_id varchar(64) not null,
    level varchar(16) not null,
    session_id bigint not null,
    location varchar(1024),
    user_agent varchar(2048),
    item_in_session integer not null,
    title varchar(1024),
    artist_name varchar(1024),
    duration double precision,
    first_name varchar(256),
    last_name varchar(256),
    gender varchar(16),
    source_day date not null,
    source_file varchar(1024) not null,
    source_line bigint not null,
    content_hash char(32) not null
);
