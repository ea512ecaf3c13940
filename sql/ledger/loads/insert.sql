-- loads: the day's load.
-- Rerun: delete.sql first clears the one before, in the same transaction.
insert into loads (day, version, load_id, run)
values (:day, :version, :load_id, :run);
