-- songplays: the loads that may have touched a play: those of its file's day and of the days before it whose
-- copies it may be, and the one that wrote it, with what their checks said. Grain: load_id. Oldest first.
select
    loads.loaded_at,
    loads.day,
    loads.run,
    loads.load_id,
    sum(case when check_results.offending > 0 then 0 else 1 end) as checks_passed,
    sum(case when check_results.offending > 0 then 1 else 0 end) as checks_failed
from loads
inner join songplays
    on
        loads.load_id = songplays.load_id
        or loads.day between songplays.source_day - :duplicate_days and songplays.source_day
left join check_results
    on
        loads.run = check_results.run
        and loads.day = check_results.day
        and check_results.step = 'load'
where songplays.songplay_id = :songplay_id
group by loads.loaded_at, loads.day, loads.run, loads.load_id
order by loads.loaded_at;
