-- staging_songs: the good lines of new and changed files. Each part's line is an array in this order.
-- Rerun: delete.sql first clears the same files, in the same transaction.
copy staging_songs (
    -- from contract.toml
    num_songs,
    artist_id,
    artist_latitude,
    artist_longitude,
    artist_location,
    artist_name,
    song_id,
    title,
    duration,
    year,
    -- end of contract.toml
    source_file,
    source_line,
    content_hash,
    rescued_data
)
from :manifest
iam_role :copy_role
region :region
manifest
format as json :jsonpaths
zstd
compupdate off
statupdate off;
