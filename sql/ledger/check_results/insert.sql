-- check_results: what one check found.
-- Rerun: adds a row.
insert into check_results (run, step, day, check_name, severity, offending, sample)
values (:run, :step, :day, :check_name, :severity, :offending, :sample);
