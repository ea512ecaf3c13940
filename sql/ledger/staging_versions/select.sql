-- staging_versions: the version that is staged now, of a source and (for events) a day.
select version
from staging_versions
where
    source = :source
    and (day = cast(:day as date) or (day is null and cast(:day as date) is null));
