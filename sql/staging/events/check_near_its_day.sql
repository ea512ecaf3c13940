-- check_near_its_day: each play within 24 hours of its file's day; further out is for the quarantine.
-- Rerun: only reads.
select
    ts,
    source_file,
    source_line
from staging_events
where
    day = :day
    and (
        ts < cast(:day as date) - 1
        or ts > cast(:day as date) + 2
    );
