-- check_results: what the last run of each step found on a day, and the last stage of songs, which has none.
-- Grain: step, check_name.
-- What found rows comes first.
with results as (
    select
        step,
        run,
        row_number() over (partition by step order by checked_at desc, run desc) as place
    from check_results
    where day = :day or day is null
)

select
    check_results.step,
    check_results.check_name,
    check_results.severity,
    check_results.offending,
    check_results.thresholds,
    check_results.checked_at,
    check_results.run,
    check_results.sample
from check_results
inner join results
    on
        check_results.step = results.step
        and check_results.run = results.run
        and results.place = 1
where check_results.day = :day or check_results.day is null
order by
    case when check_results.offending > 0 then 0 else 1 end,
    check_results.step,
    check_results.check_name;
