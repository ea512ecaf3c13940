-- staging_events: one day's good lines. Each part's line is an array in the order of these columns.
-- Rerun: delete.sql first clears the day, in the same transaction.
copy staging_events (
    -- from contract.toml
    artist,
    auth,
    first_name,
    gender,
    item_in_session,
    last_name,
    length,
    level,
    location,
    method,
    page,
    registration,
    session_id,
    song,
    status,
    ts,
    user_agent,
    user_id,
    -- end of contract.toml
    day,
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
timeformat 'epochmillisecs'
compupdate off
statupdate off;
