-- songplays: the fact: one row a play (a NextSong event). Grain: songplay_id, which is
-- SESSION-ITEM from (session_id, item_in_session).
-- song_id and artist_id are null where no song matches. Beside the columns of the well-known model stand
-- what the play said itself (title, artist_name, duration; first_name, last_name, gender), from which it is
-- matched again when songs change and users are restored when a play goes, and its lineage (source_*,
-- content_hash; load_id, the load that wrote it).
-- Types: start_time keeps milliseconds; durations are doubles, so that no decimal is lost.
-- Keys: primary keys are not enforced but trusted by the planner (Redshift Database Developer Guide,
-- t_Defining_constraints); check_grain proves this one before each commit.
-- Distribution: user_id, because plays are mostly joined to and grouped by users, none with a large share.
-- Sort: start_time, which analysts filter by, and which a load narrows its day by.
-- Rerun: kept as it is.
create table if not exists songplays (
    songplay_id varchar(32) not null encode zstd,
    start_time timestamp not null encode raw,
    user_id varchar(64) not null encode zstd,
    level varchar(16) not null encode bytedict,
    song_id varchar(64) encode zstd,
    artist_id varchar(64) encode zstd,
    session_id bigint not null encode az64,
    location varchar(1024) encode zstd,
    user_agent varchar(2048) encode zstd,
    item_in_session integer not null encode az64,
    title varchar(1024) encode zstd,
    artist_name varchar(1024) encode zstd,
    duration double precision encode zstd,
    first_name varchar(256) encode zstd,
    last_name varchar(256) encode zstd,
    gender varchar(16) encode bytedict,
    source_day date not null encode az64,
    source_file varchar(1024) not null encode zstd,
    source_line bigint not null encode az64,
    content_hash char(32) not null encode zstd,
    load_id varchar(64) not null encode zstd,
    primary key (songplay_id)
)
diststyle key distkey (user_id)
compound sortkey (start_time);
