-- The range of sessions of the plays that are staged for a day; for none, a range that nothing lies in.
-- What it is for, sql/changes/touched_keys/select_sessions.sql says.
select
    coalesce(min(session_id), 0) as least_session,
    coalesce(max(session_id), -1) as greatest_session
from staging_events
where
    day = :day
    and page = 'NextSong';
