-- check_grain: one row a start time, among the days that a load of the day may write.
-- Rerun: only reads.
select
    start_time,
    count(*) as row_count
from "time"
where start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
group by start_time
having count(*) > 1;
