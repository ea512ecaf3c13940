-- staging_events: one day's good lines. Each part's line is an array in the order of these columns.
-- Rerun: delete.sql first clears the day, in the same transaction.
copy staging_events (
    day,
    session_id,
    item_in_session,
    ts,
    page,
    user_id,
    first_name,
    last_name,
    gender,
    level,
    auth,
    artist,
    song,
    length,
    location,
    method,
    registration,
    status,
    user_agent,
    source_file,
    source_line,
    content_hash
)
from :manifest
iam_role :copy_role
region :region
manifest
format as json :jsonpaths
zstd
timeformat 'epochmillisecs'
compupdate off
statupdate off;
