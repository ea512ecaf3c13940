-- check_results: what each check found in each run. Grain: run, step, day, check_name. The stage of songs has
-- no day.
-- severity is check (blocking) or warn; offending is the number of rows that it found, sample some of them
-- as JSON, thresholds the values that it compared with, as a JSON object, if there are any.
-- Distribution: all, small. Sort: checked_at, because history is asked by time.
-- Rerun: kept as it is; a step that a run repeats replaces its results.
create table if not exists check_results (
    run varchar(256) not null encode zstd,
    step varchar(32) not null encode zstd,
    day date encode az64,
    check_name varchar(128) not null encode zstd,
    severity varchar(16) not null encode zstd,
    offending bigint not null encode az64,
    sample varchar(4096) not null encode zstd,
    thresholds varchar(1024) not null default '' encode zstd,
    checked_at timestamp not null default getdate() encode raw
)
diststyle all
compound sortkey (checked_at);
