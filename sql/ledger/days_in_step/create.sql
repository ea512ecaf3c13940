-- days_in_step: the loaded days whose staging is still what was loaded. Grain: day.
-- A day that was staged again since is out of step until its next load: the star keeps what it held, and
-- nobody reads the new staging of it. Rerun: replaced by the same view.
create or replace view days_in_step as
select loaded_days.day
from loaded_days
inner join staging_versions
    on
        loaded_days.day = staging_versions.day
        and loaded_days.version = staging_versions.version
where staging_versions.source = 'events';
