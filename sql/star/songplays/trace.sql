-- songplays: one play with its lineage: its source line, the file as the ledger has it, and the load that
-- wrote it. Grain: songplay_id.
select
    songplays.songplay_id,
    songplays.start_time,
    songplays.user_id,
    songplays.level,
    songplays.title,
    songplays.artist_name,
    songplays.duration,
    songplays.song_id,
    songplays.artist_id,
    songplays.source_day,
    songplays.source_file,
    songplays.source_line,
    staged_files.etag as file_etag,
    staged_files.size as file_bytes,
    staged_files.staged_at,
    staged_files.run as staged_by,
    songplays.load_id
from songplays
left join staged_files
    on
        songplays.source_file = staged_files.source_file
        and staged_files.source = 'events'
where songplays.songplay_id = :songplay_id;
