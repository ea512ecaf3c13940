-- time: start times that no play has any longer leave. A play that is only matched anew keeps its time: those
-- of other days need no look.
-- Rerun: runs after the plays are rewritten; a second run finds nothing.
delete from "time"
where
    start_time between :least_start_time and :greatest_start_time
    and start_time in (
        select replaced_plays.start_time
        from replaced_plays
        left join songplays
            on
                replaced_plays.start_time = songplays.start_time
                and songplays.start_time between :least_start_time and :greatest_start_time
        where songplays.start_time is null
    );
