-- warn_null_rate: in each column the share of nulls is about what it was over the trailing days: their
-- median, give or take so many times their usual distance from it, as warn_volume has it. A share of a few
-- rows is further away by chance alone: the standard deviation of the median share, in as many rows as the
-- day has, counts as usual, too. Silent with too few days before.
-- Rerun: only reads.
with rates as (
    select
        day,
        column_name,
        row_count,
        cast(null_count as double precision) / row_count as rate
    from column_statistics
    where
        table_name = :table
        and day between cast(:day as date) - :history_days and cast(:day as date)
        and row_count > 0
),

centers as (
    select
        column_name,
        median(rate) as center,
        count(*) as days
    from rates
    where day < :day
    group by column_name
),

distances as (
    select
        rates.column_name,
        median(abs(rates.rate - centers.center)) as distance
    from rates
    inner join centers on rates.column_name = centers.column_name
    where rates.day < :day
    group by rates.column_name
)

select
    rates.column_name,
    rates.rate as null_rate,
    centers.center as median_before,
    1.4826 * distances.distance as usual_distance,
    rates.row_count,
    centers.days as days_before
from rates
inner join centers on rates.column_name = centers.column_name
inner join distances on rates.column_name = distances.column_name
where
    rates.day = :day
    and centers.days >= :history_least
    and abs(rates.rate - centers.center)
    > :deviations * greatest(
        1.4826 * distances.distance,
        :rate_distance,
        sqrt(centers.center * (1 - centers.center) / rates.row_count)
    );
