-- loads: whether a load was committed.
select load_id
from loads
where load_id = :load_id;
