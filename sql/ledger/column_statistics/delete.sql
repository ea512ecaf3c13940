-- column_statistics: what the day's columns held when it was last checked.
-- Rerun: insert_statistics.sql of each table brings what they hold now, in the same transaction.
delete from column_statistics
where day = :day;
