-- The range of sessions, and that of start times, of the touched events; for none, ranges that nothing lies
-- in. The sessions are those of all that is staged for the day, plays or not.
-- An event's copies have its session and its start time: the ranges make Redshift skip the blocks of other
-- days, by the least and greatest value that it keeps of each (Redshift Database Developer Guide,
-- t_Sorting_data). Nothing is missed where sessions are not numbered as time goes by.
with ranges as (
    select
        min(session_id) as least_session,
        max(session_id) as greatest_session,
        cast(null as timestamp) as least_start_time,
        cast(null as timestamp) as greatest_start_time
    from staging_events
    where day = :day
    union all
    select
        min(session_id) as least_session,
        max(session_id) as greatest_session,
        min(least_start_time) as least_start_time,
        max(greatest_start_time) as greatest_start_time
    from touched_keys
)

select
    coalesce(min(least_session), 0) as least_session,
    coalesce(max(greatest_session), -1) as greatest_session,
    coalesce(min(least_start_time), cast('9999-12-31' as timestamp)) as least_start_time,
    coalesce(max(greatest_start_time), cast('1970-01-01' as timestamp)) as greatest_start_time
from ranges;
