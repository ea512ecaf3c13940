-- touched_files: a stage's files. Each part's line is an array in this order.
-- Rerun: the table is temporary and empty.
copy touched_files (
    source_file,
    etag,
    size,
    lines,
    loaded,
    quarantined,
    blank
)
from :manifest
iam_role :copy_role
region :region
manifest
format as json :jsonpaths
zstd
compupdate off
statupdate off;
