-- The range of sessions of the touched events; for none, a range that nothing lies in.
-- An event's copies have its session, and sessions are numbered as time goes by: their range makes Redshift
-- skip the blocks of other days, by the least and greatest value that it keeps of each block (Redshift
-- Database Developer Guide, t_Sorting_data). Nothing is missed where they are numbered otherwise.
select
    coalesce(min(session_id), 0) as least_session,
    coalesce(max(session_id), -1) as greatest_session
from touched_keys;
