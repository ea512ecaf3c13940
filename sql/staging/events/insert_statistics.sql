-- column_statistics: what one column of staging_events holds of the day. :column stands for each column in
-- turn, and the selects make one statement (sparkify/statistics.py).
-- Rerun: delete.sql of column_statistics first clears the day, in the same transaction.
insert into column_statistics (
    day, table_name, column_name, row_count, null_count, distinct_count, minimum, maximum, load_id
)
select
    cast(:day as date) as day,
    'events' as table_name,
    ':column' as column_name,
    count(*) as row_count,
    count(*) - count(:column) as null_count,
    approximate count(distinct :column) as distinct_count,
    left(cast(min(:column) as varchar(4096)), 64) as minimum,
    left(cast(max(:column) as varchar(4096)), 64) as maximum,
    cast(:load_id as varchar(64)) as load_id
from staging_events
where
    day = :day;
