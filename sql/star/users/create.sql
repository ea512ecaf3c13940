-- users: one row a user who played, with the attributes of their latest play. Grain: user_id.
-- latest_* is that play: by start_time, then session_id, item_in_session. A later play replaces the row
-- without a look at older ones.
-- Distribution and sort: user_id, beside the user's plays.
-- Rerun: kept as it is.
create table if not exists users (
    user_id varchar(64) not null encode raw,
    first_name varchar(256) encode zstd,
    last_name varchar(256) encode zstd,
    gender varchar(16) encode bytedict,
    level varchar(16) not null encode bytedict,
    latest_start_time timestamp not null encode az64,
    latest_session_id bigint not null encode az64,
    latest_item_in_session integer not null encode az64,
    primary key (user_id)
)
diststyle key distkey (user_id)
compound sortkey (user_id);
