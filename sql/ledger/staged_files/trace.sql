-- staged_files: the files whose names end so, each with the load that brought what is staged of it into the
-- star; none when that was not loaded yet. Grain: source, source_file.
with loaded as (
    select
        'events' as source,
        day,
        version,
        load_id
    from loaded_days
    union all
    select
        'songs' as source,
        cast(null as date) as day,
        version,
        load_id
    from loaded_songs
)

select
    staged_files.source,
    staged_files.day,
    staged_files.source_file,
    staged_files.etag,
    staged_files.size as bytes,
    staged_files.lines,
    staged_files.loaded as staged,
    staged_files.quarantined,
    staged_files.blank,
    staged_files.version,
    staged_files.staged_at,
    staged_files.run as staged_by,
    loads.loaded_at,
    loads.run as loaded_by,
    loads.load_id
from staged_files
left join staging_versions
    on
        staged_files.source = staging_versions.source
        and (staged_files.day = staging_versions.day or staged_files.source = 'songs')
left join loaded
    on
        staging_versions.source = loaded.source
        and staging_versions.version = loaded.version
left join loads on loaded.load_id = loads.load_id
where right(staged_files.source_file, length(cast(:file as varchar(1024)))) = :file
order by staged_files.source_file
limit 3;
