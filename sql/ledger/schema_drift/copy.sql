-- schema_drift: the departures of the files that a stage read. Each part's line is an array in this order.
-- Rerun: delete.sql first clears the same files, in the same transaction.
copy schema_drift (
    source,
    day,
    source_file,
    field,
    reason,
    lines,
    first_line,
    example,
    version,
    run
)
from :manifest
iam_role :copy_role
region :region
manifest
format as json :jsonpaths
zstd
compupdate off
statupdate off;
