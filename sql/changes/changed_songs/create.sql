-- changed_songs: songs whose row in the star is not what staging says. Grain: song_id.
-- Rerun: a temporary table of the load's own transaction.
create temp table changed_songs (
    song_id varchar(64) not null
);
