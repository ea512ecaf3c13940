-- quarantine: the stages whose raw lines it still names, of a source and (for events) a day.
-- Rerun: only reads.
select distinct version
from quarantine
where
    source = :source
    and (day = cast(:day as date) or (day is null and cast(:day as date) is null));
