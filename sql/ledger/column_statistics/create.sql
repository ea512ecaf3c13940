-- column_statistics: what each column of a table holds of a day, as the day was last checked.
-- Grain: day, table_name, column_name. distinct_count is approximate (HyperLogLog, within some 2 %). minimum
-- and maximum are the first 64 characters of the value as text; null where all are.
-- Distribution: all, small. Sort: day, because a check reads the trailing days.
-- Rerun: kept as it is; a check of a day replaces the day's rows.
create table if not exists column_statistics (
    day date not null encode raw,
    table_name varchar(64) not null encode zstd,
    column_name varchar(64) not null encode zstd,
    row_count bigint not null encode az64,
    null_count bigint not null encode az64,
    distinct_count bigint not null encode az64,
    minimum varchar(256) encode zstd,
    maximum varchar(256) encode zstd,
    load_id varchar(64) not null encode zstd,
    checked_at timestamp not null default getdate() encode az64
)
diststyle all
compound sortkey (day, table_name);
