-- loads: whether a day is loaded (a row), and still in step with staging (in_step is its day).
select
    loads.day,
    days_in_step.day as in_step
from loads
left join days_in_step on loads.day = days_in_step.day
where loads.day = :day;
