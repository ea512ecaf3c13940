-- loads: whether the day's last load is this one.
select load_id
from loads
where day = :day and load_id = :load_id;
