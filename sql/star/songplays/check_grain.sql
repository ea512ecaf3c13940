-- check_grain: one row a songplay_id, over all days, among the plays that a load of the day may write.
-- Rerun: only reads.
select
    songplays.songplay_id,
    songplays.source_file,
    songplays.source_line,
    other.source_file as other_file,
    other.source_line as other_line
from songplays
inner join songplays as other on songplays.songplay_id = other.songplay_id
where
    songplays.source_day between :day and :last_day
    and songplays.start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
    and (songplays.source_file <> other.source_file or songplays.source_line <> other.source_line);
