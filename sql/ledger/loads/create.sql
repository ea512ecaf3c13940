-- loads: the days that the star holds, and from which stage. Grain: day.
-- load_id tells whether a COMMIT whose answer was lost took place. Distribution: all, small.
-- Rerun: kept as it is.
create table if not exists loads (
    day date not null encode az64,
    version varchar(64) not null encode zstd,
    load_id varchar(64) not null encode zstd,
    run varchar(256) not null encode zstd,
    loaded_at timestamp not null default getdate() encode az64
)
diststyle all;
