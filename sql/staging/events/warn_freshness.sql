-- warn_freshness: the day's last event is late in the day; a file that ends earlier was perhaps delivered
-- before its day was over. A day without any event is reported too.
-- Rerun: only reads.
select
    max(ts) as last_event,
    count(*) as events,
    max(source_file) as source_file
from staging_events
where day = :day
having
    max(ts) is null
    or max(ts) < dateadd(hour, :last_hour, cast(:day as date));
