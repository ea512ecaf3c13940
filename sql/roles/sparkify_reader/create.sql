-- sparkify_reader: who asks the star, and sees nothing of staging, the quarantine and the ledger.
-- Rerun: not run again, CREATE ROLE fails for a role that is there.
create role sparkify_reader;
