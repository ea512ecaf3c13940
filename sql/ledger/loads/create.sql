-- loads: every load that was committed. Grain: load_id; songplays.load_id names the one that wrote a play.
-- Distribution: all, small. Rerun: kept as it is; a load adds its row with what it wrote.
create table if not exists loads (
    load_id varchar(64) not null encode zstd,
    day date not null encode az64,
    version varchar(64) not null encode zstd,
    run varchar(256) not null encode zstd,
    loaded_at timestamp not null default getdate() encode az64
)
diststyle all;
