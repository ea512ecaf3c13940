-- loaded_songs: the songs as they are staged now, which this load brings into the star.
-- Rerun: delete.sql first clears the row before, in the same transaction.
insert into loaded_songs (version, load_id)
select
    version,
    cast(:load_id as varchar(64)) as load_id
from staging_versions
where source = 'songs';
