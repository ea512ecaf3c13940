-- check_results: every result of one check. Grain: run, step, day. The newest first.
select
    day,
    step,
    severity,
    offending,
    thresholds,
    checked_at,
    run
from check_results
where check_name = :check_name
order by checked_at desc, run desc, day desc;
