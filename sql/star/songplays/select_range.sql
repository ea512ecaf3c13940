-- The range of sessions of all that is staged for a day or that the star has from it, and that of start times
-- of its plays; for none, ranges that nothing lies in.
-- An event's copies have its session and its start time: the ranges make Redshift skip the blocks of other
-- days, by the least and greatest value that it keeps of each (Redshift Database Developer Guide,
-- t_Sorting_data). Nothing is missed where sessions are not numbered as time goes by.
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
        -- a play lies within a day of its file's day, so that only these blocks are read
        and start_time between cast(:day as date) - 1 and cast(:day as date) + 2
)

select
    coalesce(min(session_id), 0) as least_session,
    coalesce(max(session_id), -1) as greatest_session,
    coalesce(min(start_time), cast('9999-12-31' as timestamp)) as least_start_time,
    coalesce(max(start_time), cast('1970-01-01' as timestamp)) as greatest_start_time
from lines;
