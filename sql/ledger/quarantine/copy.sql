-- quarantine: the bad lines of the files that a stage read. Each part's line is an array in this order.
-- Rerun: delete.sql first clears the same files, in the same transaction.
copy quarantine (
    source,
    day,
    source_file,
    source_line,
    reason,
    detail,
    raw_object,
    raw_offset,
    raw_length,
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
