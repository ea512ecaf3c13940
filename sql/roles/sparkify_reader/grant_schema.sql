-- The tables of the schema can be named. Rerun: changes nothing.
grant usage on schema public to role sparkify_reader;
