-- check_in_line_with_staging: of the staged song lines, the first of each song_id is in the star and the
-- others are its duplicates; to the row. A returned row is a staged line of a song whose first line the star
-- has not, or a song that the star has and staging has not. Silent while songs are staged anew and no load
-- has followed yet: the next one brings the star in line.
-- Rerun: only reads.
with offending as (
    select
        coalesce(staging_songs.song_id, songs.song_id) as song_id,
        songs.source_file as star_file,
        songs.source_line as star_line
    from staging_songs
    full join songs on staging_songs.song_id = songs.song_id
    group by coalesce(staging_songs.song_id, songs.song_id), songs.source_file, songs.source_line
    having
        -- the star's row is a staged line,
        sum(
            case
                when
                    staging_songs.source_file = songs.source_file
                    and staging_songs.source_line = songs.source_line
                    and staging_songs.content_hash = songs.content_hash
                    then 1
                else 0
            end
        ) = 0
        -- and none is before it
        or sum(
            case
                when
                    staging_songs.source_file < songs.source_file
                    or (
                        staging_songs.source_file = songs.source_file
                        and staging_songs.source_line < songs.source_line
                    )
                    then 1
                else 0
            end
        ) > 0
),

in_step as (
    select loaded_songs.version
    from loaded_songs
    inner join staging_versions on loaded_songs.version = staging_versions.version
    where staging_versions.source = 'songs'
)

select
    offending.song_id,
    staging_songs.source_file,
    staging_songs.source_line,
    offending.star_file,
    offending.star_line
from offending
left join staging_songs on offending.song_id = staging_songs.song_id
where exists (select in_step.version from in_step);
