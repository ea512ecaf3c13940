-- sparkify_loader: who runs stage, load, check, quarantine, trace, plan and connect. It owns nothing: it can
-- neither create, alter, truncate nor drop. Rerun: not run again, CREATE ROLE fails for a role that is there.
create role sparkify_loader;
