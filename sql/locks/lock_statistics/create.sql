-- lock_statistics: checks take turns on it, so that two of one day never leave its statistics twice; it holds
-- no rows. LOCK is ACCESS EXCLUSIVE, so readers would wait for a data table (Redshift Database Developer
-- Guide, r_LOCK). Rerun: kept as it is.
create table if not exists lock_statistics (
    holds_no_rows boolean encode raw
)
diststyle all;
