-- quarantine: the index of the lines that could not be staged. Grain: source_file, source_line.
-- The raw bytes are at raw_offset, raw_length of the object raw_object. reason is one of json, type,
-- unknown, required, size, time; detail says it for people. Distribution: all, small. Rerun: kept as it is.
create table if not exists quarantine (
    source varchar(16) not null encode zstd,
    day date encode az64,
    source_file varchar(1024) not null encode zstd,
    source_line bigint not null encode az64,
    reason varchar(32) not null encode bytedict,
    detail varchar(1024) not null encode zstd,
    raw_object varchar(1024) not null encode zstd,
    raw_offset bigint not null encode az64,
    raw_length bigint not null encode az64,
    version varchar(64) not null encode zstd,
    run varchar(256) not null encode zstd
)
diststyle all;
