-- warn_match_rate: the share of the day's plays that match a song is at least a good part of what it was over
-- the trailing days, each as it was when that day was checked. Silent without such days, or where nothing
-- matched then either. The sums are cast because Redshift's are NUMERIC.
-- Rerun: only reads.
with rates as (
    select
        day,
        row_count as plays,
        row_count - null_count as matched
    from column_statistics
    where
        table_name = :table
        and column_name = 'song_id'
        and day between cast(:day as date) - :history_days and cast(:day as date)
),

history as (
    select
        cast(sum(plays) as bigint) as plays,
        cast(sum(matched) as bigint) as matched
    from rates
    where day < :day
)

select
    rates.plays,
    rates.matched,
    history.plays as plays_before,
    history.matched as matched_before
from rates
cross join history
where
    rates.day = :day
    and 1.0 * rates.matched * history.plays < :match_share * rates.plays * history.matched;
