-- loaded_days: the days that the star holds, each with its last load and the stage that it loaded.
-- Grain: day. Distribution: all, small. Rerun: kept as it is.
create table if not exists loaded_days (
    day date not null encode az64,
    version varchar(64) not null encode zstd,
    load_id varchar(64) not null encode zstd
)
diststyle all;
