-- time: start times that no play has any longer leave. (A retitled play of another day is not in the blocks
-- read here: it leaves, and insert.sql brings it back with the incoming plays.)
-- Rerun: runs after the plays are rewritten; a second run finds nothing.
delete from "time"
where start_time in (
    select replaced_plays.start_time
    from replaced_plays
    left join songplays
        on
            replaced_plays.start_time = songplays.start_time
            and songplays.start_time between cast(:day as date) - 1 and cast(:last_day as date) + 2
    where songplays.start_time is null
);
