-- loads: this load.
-- Rerun: load_id is new with each load, and its row is rolled back with it.
insert into loads (load_id, day, version, run)
values (:load_id, :day, :version, :run);
