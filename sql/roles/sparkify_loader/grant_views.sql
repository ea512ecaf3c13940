-- What a step reads. Rerun: changes nothing.
grant select on table days_in_step to role sparkify_loader;
