-- The columns of the tables that are there, in the schema where tables are made. Grain: table, column.
-- PG_TABLE_DEF shows what lies in the search path's schemas, CURRENT_SCHEMA() is its first (Redshift Database
-- Developer Guide, r_PG_TABLE_DEF); both run on the leader node.
select
    tablename,
    "column"
from pg_table_def
where schemaname = current_schema();
