-- artists: one row an artist. Grain: artist_id; of several songs' lines the first (by file, line) holds it.
-- Coordinates are doubles, so that no decimal is lost.
-- Distribution: all, a small dimension that every slice joins. Sort: artist_id, the join key.
-- Rerun: kept as it is.
create table if not exists artists (
    artist_id varchar(64) not null encode raw,
    name varchar(1024) not null encode zstd,
    location varchar(1024) encode zstd,
    latitude double precision encode zstd,
    longitude double precision encode zstd,
    source_file varchar(1024) not null encode zstd,
    source_line bigint not null encode az64,
    content_hash char(32) not null encode zstd,
    primary key (artist_id)
)
diststyle all
compound sortkey (artist_id);
