-- warn_volume: the day has about as many rows as the trailing days: their median, give or take so many times
-- their usual distance from it. The usual distance is the median one (MAD), times 1.4826, which makes it the
-- standard deviation where the numbers are normally distributed; one odd day moves neither. Silent with too
-- few days before.
-- Rerun: only reads.
with history as (
    select
        day,
        cast(max(row_count) as double precision) as row_count
    from column_statistics
    where
        table_name = :table
        and day between cast(:day as date) - :history_days and cast(:day as date)
    group by day
),

centers as (
    select
        median(row_count) as center,
        count(*) as days
    from history
    where day < :day
),

distances as (
    select median(abs(history.row_count - centers.center)) as distance
    from history
    cross join centers
    where history.day < :day
)

select
    history.row_count,
    centers.center as median_before,
    1.4826 * distances.distance as usual_distance,
    centers.days as days_before
from history
cross join centers
cross join distances
where
    history.day = :day
    and centers.days >= :history_least
    and abs(history.row_count - centers.center)
    > :deviations * greatest(1.4826 * distances.distance, :volume_distance * centers.center);
