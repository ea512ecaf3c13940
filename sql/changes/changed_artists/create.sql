-- changed_artists: artists whose row in the star is not what staging says. Grain: artist_id.
-- Rerun: a temporary table of the load's own transaction.
create temp table changed_artists (
    artist_id varchar(64) not null
);
