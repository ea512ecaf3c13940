-- songs: one row a song. Grain: song_id; of several staged lines the first (by file, line) holds it.
-- artist_name is how the song itself credits its artist, and what plays are matched by.
-- Distribution: all, a small dimension that every slice joins. Sort: song_id, the join key.
-- Rerun: kept as it is.
create table if not exists songs (
    song_id varchar(64) not null encode raw,
    title varchar(1024) not null encode zstd,
    artist_id varchar(64) not null encode zstd,
    year integer encode az64,
    duration double precision not null encode zstd,
    artist_name varchar(1024) not null encode zstd,
    source_file varchar(1024) not null encode zstd,
    source_line bigint not null encode az64,
    content_hash char(32) not null encode zstd,
    primary key (song_id)
)
diststyle all
compound sortkey (song_id);
