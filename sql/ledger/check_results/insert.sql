-- check_results: what one check found; for several checks with as many rows of values.
-- Rerun: delete.sql first clears what the same step of the same run had, in the same transaction.
insert into check_results (run, step, day, check_name, severity, offending, sample, thresholds, checked_at)
-- getdate() has no fractions of a second, and of two runs in one second none would be the later
values (:run, :step, :day, :check_name, :severity, :offending, :sample, :thresholds, sysdate);
