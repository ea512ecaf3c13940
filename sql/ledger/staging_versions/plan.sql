-- staging_versions: what is staged of a day, and what is loaded of it. Grain: one row, or none.
select
    staging_versions.staged_at,
    staging_versions.run as staged_by,
    loads.loaded_at,
    loads.run as loaded_by,
    case when days_in_step.day is null then 'no' else 'yes' end as in_step
from staging_versions
left join loaded_days on staging_versions.day = loaded_days.day
left join loads on loaded_days.load_id = loads.load_id
left join days_in_step on staging_versions.day = days_in_step.day
where
    staging_versions.source = 'events'
    and staging_versions.day = :day;
