-- songplays: one play with its lineage: its source line, the file as the ledger has it, the part it travelled
-- in, and the load that wrote it. Grain: songplay_id. Of a day out of step the file may be another by now,
-- and the part is not known any more.
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
    case when days_in_step.day is null then 'no' else 'yes' end as in_step,
    staged_files.etag as file_etag,
    staged_files.size as file_bytes,
    staged_files.staged_at,
    staged_files.run as staged_by,
    staged_parts.part,
    loads.loaded_at,
    loads.run as loaded_by,
    songplays.load_id
from songplays
left join days_in_step on songplays.source_day = days_in_step.day
left join staged_files
    on
        songplays.source_file = staged_files.source_file
        and staged_files.source = 'events'
left join staged_parts
    on
        songplays.source_file = staged_parts.source_file
        and songplays.source_line between staged_parts.first_line and staged_parts.last_line
        and days_in_step.day = staged_parts.day
        and staged_parts.source = 'events'
left join loads on songplays.load_id = loads.load_id
where songplays.songplay_id = :songplay_id;
