-- loaded_songs: the stage of songs that the star holds, and the load that brought it. Grain: one row, none
-- before songs were staged and a day was loaded. Distribution: all, small. Rerun: kept as it is.
create table if not exists loaded_songs (
    version varchar(64) not null encode zstd,
    load_id varchar(64) not null encode zstd
)
diststyle all;
