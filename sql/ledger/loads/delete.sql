-- loads: the day's last load.
-- Rerun: insert.sql brings the new one, in the same transaction.
delete from loads
where day = :day;
