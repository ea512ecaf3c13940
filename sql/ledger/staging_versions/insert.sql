-- staging_versions: the version that this stage wrote.
-- Rerun: delete.sql first clears the one before, in the same transaction.
insert into staging_versions (source, day, version, run)
values (:source, cast(:day as date), :version, :run);
