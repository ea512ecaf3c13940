-- changed_titles: what plays are matched by, of the changed songs before and after.
-- Grain: title, artist_name. Rerun: a temporary table of the load's own transaction.
create temp table changed_titles (
    title varchar(1024) not null,
    artist_name varchar(1024) not null
);
