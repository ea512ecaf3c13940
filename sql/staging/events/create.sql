-- staging_events: every good line of the event files, all days. Grain: source_file, source_line.
-- day is the file's day; ts keeps its milliseconds; length is a double, so that no decimal is lost.
-- VARCHAR counts bytes: a line with longer text goes to the quarantine (contract.toml).
-- Distribution: session_id spreads evenly, and copies of an event meet on one slice.
-- Sort: day, because a stage and a load read and delete whole days.
-- Encodings: zstd packs text best, az64 numbers and times, bytedict columns of few values; the first sort
-- key stays raw, so that range scans skip blocks evenly (Redshift Database Developer Guide,
-- c_Compression_encodings and c_best-practices-sort-key).
-- Rerun: kept as it is.
create table if not exists staging_events (
    day date not null encode raw,
    -- from contract.toml
    artist varchar(1024) encode zstd,
    auth varchar(64) encode bytedict,
    first_name varchar(256) encode zstd,
    gender varchar(16) encode bytedict,
    item_in_session integer not null encode az64,
    last_name varchar(256) encode zstd,
    length double precision encode zstd,
    level varchar(16) encode bytedict,
    location varchar(1024) encode zstd,
    method varchar(16) encode bytedict,
    page varchar(64) not null encode bytedict,
    registration bigint encode az64,
    session_id bigint not null encode az64,
    song varchar(1024) encode zstd,
    status integer encode az64,
    ts timestamp not null encode az64,
    user_agent varchar(2048) encode zstd,
    user_id varchar(64) encode zstd,
    -- end of contract.toml
    source_file varchar(1024) not null encode zstd,
    source_line bigint not null encode az64,
    content_hash char(32) not null encode zstd,
    rescued_data super encode zstd
)
diststyle key distkey (session_id)
compound sortkey (day, session_id, item_in_session);
