-- warn_match_rate: the share of the day's plays that match a song is at least half of what it was over the
-- 28 loaded days before. Silent without such days, or where nothing matched then either.
-- Rerun: only reads.
with rates as (
    select
        source_day,
        count(*) as plays,
        count(song_id) as matched
    from songplays
    where
        source_day between cast(:day as date) - 28 and cast(:day as date)
        and start_time between cast(:day as date) - 29 and cast(:day as date) + 2
    group by source_day
),

history as (
    select
        sum(plays) as plays,
        sum(matched) as matched
    from rates
    where source_day < :day
)

select
    rates.plays,
    rates.matched,
    history.plays as plays_before,
    history.matched as matched_before
from rates
cross join history
where
    rates.source_day = :day
    and 2.0 * rates.matched * history.plays < 1.0 * rates.plays * history.matched;
