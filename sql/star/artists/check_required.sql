-- check_required: an artist has an id and a name.
-- Rerun: only reads.
select
    artist_id,
    name,
    source_file,
    source_line
from artists
where
    artist_id is null
    or artist_id = ''
    or name is null
    or name = '';
