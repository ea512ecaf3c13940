-- warn_schema_drift: the day's lines are as the contract says. A returned row is a field whose lines depart
-- from it, as far as the contract says warn, with their number, the first of them and its value.
-- Rerun: only reads.
select
    source_file,
    first_line as source_line,
    field,
    reason,
    lines,
    example
from schema_drift
where
    source = 'events'
    and day = :day;
