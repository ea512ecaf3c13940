-- staged_parts: the parts that a stage wrote. Each part's line is an array in this order.
-- Rerun: delete.sql first clears the same files, in the same transaction.
copy staged_parts (
    source,
    day,
    source_file,
    first_line,
    last_line,
    part,
    version
)
from :manifest
iam_role :copy_role
region :region
manifest
format as json :jsonpaths
zstd
compupdate off
statupdate off;
