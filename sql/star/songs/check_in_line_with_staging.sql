-- check_in_line_with_staging: of the staged song lines, the first of each song_id is in the star and the
-- others are its duplicates; to the row. A returned row is a song_id whose first line the star has not, or
-- one that the star has and staging has not. Silent while songs are staged anew and no load has followed yet:
-- the next one brings the star in line.
-- Rerun: only reads.
with lines as (
    select
        song_id,
        source_file,
        source_line,
        content_hash,
        row_number() over (partition by song_id order by source_file, source_line) as place
    from staging_songs
),

staged as (
    select
        song_id,
        source_file,
        source_line,
        content_hash
    from lines
    where place = 1
),

in_step as (
    select loaded_songs.version
    from loaded_songs
    inner join staging_versions on loaded_songs.version = staging_versions.version
    where staging_versions.source = 'songs'
)

select
    coalesce(staged.song_id, songs.song_id) as song_id,
    staged.source_file,
    staged.source_line,
    songs.source_file as star_file,
    songs.source_line as star_line
from staged
full join songs on staged.song_id = songs.song_id
where
    (
        staged.song_id is null
        or songs.song_id is null
        or staged.source_file <> songs.source_file
        or staged.source_line <> songs.source_line
        or staged.content_hash <> songs.content_hash
    )
    and exists (select in_step.version from in_step);
