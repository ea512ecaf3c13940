-- staged_parts: in which part the good lines of a file travelled to staging: those from first_line to
-- last_line. Grain: source, source_file, first_line; the ranges of a file do not overlap.
-- The part itself is deleted after the stage's commit; its name leads from a row to what COPY says of it
-- (sys_load_history, sys_load_error_detail). Distribution: all, small. Rerun: kept as it is.
create table if not exists staged_parts (
    source varchar(16) not null encode zstd,
    day date encode az64,
    source_file varchar(1024) not null encode zstd,
    first_line bigint not null encode az64,
    last_line bigint not null encode az64,
    part varchar(1024) not null encode zstd,
    version varchar(64) not null encode zstd
)
diststyle all;
