-- The range of sessions, and that of start times, of the touched events; for none, ranges that nothing lies
-- in. An event's copies have its session and its start time: the ranges make Redshift skip the blocks of
-- other days, by the least and greatest value that it keeps of each (Redshift Database Developer Guide,
-- t_Sorting_data). Nothing is missed where sessions are not numbered as time goes by.
select
    coalesce(min(session_id), 0) as least_session,
    coalesce(max(session_id), -1) as greatest_session,
    coalesce(min(least_start_time), cast('9999-12-31' as timestamp)) as least_start_time,
    coalesce(max(greatest_start_time), cast('1970-01-01' as timestamp)) as greatest_start_time
from touched_keys;
