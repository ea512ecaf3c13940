-- loaded_days: every day that the star holds. Grain: day.
-- Rerun: only reads.
select day
from loaded_days;
