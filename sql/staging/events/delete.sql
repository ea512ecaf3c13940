-- staging_events: the rows of one day go.
-- Rerun: the stage of a day deletes and copies it in one transaction.
delete from staging_events
where day = :day;
