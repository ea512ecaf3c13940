-- The range of sessions of all that is staged for a day or that the star has from it, and that of start times
-- of its plays; for none, ranges that nothing lies in.
-- What they are for, sql/changes/touched_keys/select_range.sql says.
with lines as (
    select
        session_id,
        case when page = 'NextSong' then ts end as start_time
    from staging_events
    where day = :day
    union all
    select
        session_id,
        start_time
    from songplays
    where
        source_day = :day
        and start_time between cast(:day as date) - 1 and cast(:day as date) + 2
)

select
    coalesce(min(session_id), 0) as least_session,
    coalesce(max(session_id), -1) as greatest_session,
    coalesce(min(start_time), cast('9999-12-31' as timestamp)) as least_start_time,
    coalesce(max(start_time), cast('1970-01-01' as timestamp)) as greatest_start_time
from lines;
