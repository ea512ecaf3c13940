-- loaded_days: the day's load.
-- Rerun: delete.sql first clears the one before, in the same transaction.
insert into loaded_days (day, version, load_id)
values (:day, :version, :load_id);
