-- staging_songs: every good line of the song files there are now. Grain: source_file, source_line.
-- Distribution: all, because the table is small and every load compares all of it on each slice.
-- Sort: source_file, because a stage replaces whole files.
-- Rerun: kept as it is.
create table if not exists staging_songs (
    -- from contract.toml
    num_songs integer encode az64,
    artist_id varchar(64) not null encode zstd,
    artist_latitude double precision encode zstd,
    artist_longitude double precision encode zstd,
    artist_location varchar(1024) encode zstd,
    artist_name varchar(1024) not null encode zstd,
    song_id varchar(64) not null encode zstd,
    title varchar(1024) not null encode zstd,
    duration double precision not null encode zstd,
    year integer encode az64,
    -- end of contract.toml
    source_file varchar(1024) not null encode raw,
    source_line bigint not null encode az64,
    content_hash char(32) not null encode zstd,
    rescued_data super encode zstd
)
diststyle all
compound sortkey (source_file);
