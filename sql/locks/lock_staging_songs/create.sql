-- lock_staging_songs: writers of staging_songs take turns on it; it holds no rows.
-- LOCK is ACCESS EXCLUSIVE, so readers would wait for a data table (Redshift Database Developer Guide,
-- r_LOCK). Rerun: kept as it is.
create table if not exists lock_staging_songs (
    holds_no_rows boolean encode raw
)
diststyle all;
