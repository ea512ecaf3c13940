-- staging_songs: the good lines of new and changed files. Each part's line is an array in this order.
-- Rerun: delete.sql first clears the same files, in the same transaction.
copy staging_songs (
    source_file,
    source_line,
    song_id,
    title,
    artist_id,
    artist_name,
    artist_location,
    artist_latitude,
    artist_longitude,
    duration,
    year,
    num_songs,
    content_hash
)
from :manifest
iam_role :copy_role
region :region
manifest
format as json :jsonpaths
zstd
compupdate off
statupdate off;
