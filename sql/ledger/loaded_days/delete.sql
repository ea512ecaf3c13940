-- loaded_days: the day's last load.
-- Rerun: insert.sql brings the new one, in the same transaction.
delete from loaded_days
where day = :day;
