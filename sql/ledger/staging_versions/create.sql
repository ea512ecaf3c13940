-- staging_versions: which stage wrote what is in staging now. Grain: source, day (songs have no day).
-- A day is in step when loads has the same version; a stage that finds another version than it began with
-- begins again. Distribution: all, small. Rerun: kept as it is.
create table if not exists staging_versions (
    source varchar(16) not null encode zstd,
    day date encode az64,
    version varchar(64) not null encode zstd,
    run varchar(256) not null encode zstd,
    staged_at timestamp not null default getdate() encode az64
)
diststyle all;
