-- loaded_days: whether a day is loaded (a row), and still in step with staging (in_step is its day), and by
-- which load.
select
    loaded_days.day,
    days_in_step.day as in_step,
    loaded_days.load_id
from loaded_days
left join days_in_step on loaded_days.day = days_in_step.day
where loaded_days.day = :day;
