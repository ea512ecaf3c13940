-- LOCK needs UPDATE or DELETE (PostgreSQL 8.0, LOCK; the Redshift guide does not say). They hold no rows.
-- Rerun: changes nothing.
grant update, delete on table
lock_staging_events,
lock_staging_songs,
lock_star,
lock_statistics
to role sparkify_loader;
