-- check_results: what the checks said in the run that wrote a play, and in the run of its day's last load.
-- Grain: run, day, step, check_name. What found rows comes first.
with traced as (
    select
        loads.run,
        loads.day
    from songplays
    inner join loads on songplays.load_id = loads.load_id
    where songplays.songplay_id = :songplay_id
    union
    select
        loads.run,
        loads.day
    from songplays
    inner join loaded_days on songplays.source_day = loaded_days.day
    inner join loads on loaded_days.load_id = loads.load_id
    where songplays.songplay_id = :songplay_id
)

select
    check_results.run,
    check_results.day,
    check_results.step,
    check_results.check_name,
    check_results.severity,
    check_results.offending,
    check_results.checked_at
from check_results
inner join traced
    on
        check_results.run = traced.run
        and (check_results.day = traced.day or check_results.day is null)
order by
    case when check_results.offending > 0 then 0 else 1 end,
    check_results.checked_at,
    check_results.check_name;
