-- staging_versions: the version that this stage replaces.
-- Rerun: insert.sql brings the new one, in the same transaction.
delete from staging_versions
where
    source = :source
    and (day = cast(:day as date) or (day is null and cast(:day as date) is null));
