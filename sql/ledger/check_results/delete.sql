-- check_results: what this run's step found for the day, or for songs, when it was tried before.
-- Rerun: insert.sql brings the new results, in the same transaction.
delete from check_results
where
    run = :run
    and step = :step
    and (day = cast(:day as date) or (day is null and cast(:day as date) is null));
