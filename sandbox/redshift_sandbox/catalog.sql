-- What every database of the sandbox has beside the user's own tables: the functions of Redshift that
-- PostgreSQL lacks or answers differently, and the system views that COPY fills.
-- Running it again changes nothing. Page names are those of the Redshift Database Developer Guide.

create schema if not exists sandbox;
grant usage on schema sandbox to public;

-- Strings

-- The error of a VARCHAR or CHAR that has too many bytes; called from the columns' checks, and volatile so
-- that it is called for such a value only, and not while a statement is planned.
create or replace function sandbox.too_long(kind text) returns boolean
language plpgsql volatile as $$
begin
    raise exception 'value too long for type %', kind using errcode = '22001';
end $$;

-- A cast to VARCHAR(n) or CHAR(n) cuts at n bytes, never within a character.
create or replace function sandbox.cut_bytes(value text, bytes integer) returns text
language plpgsql immutable strict as $$
declare
    shortened text := left(value, bytes);
begin
    while octet_length(shortened) > bytes loop
        shortened := left(shortened, -greatest(1, (octet_length(shortened) - bytes) / 4));
    end loop;
    return shortened;
end $$;

-- Not strict, and of one expression: so that PostgreSQL has it in place, and calls nothing where all fits.
create or replace function sandbox.left_bytes(value text, bytes integer) returns text
language sql immutable as $$
    select case when octet_length(value) <= bytes then value else sandbox.cut_bytes(value, bytes) end
$$;

-- REGEXP_REPLACE replaces every match (REGEXP_REPLACE).
create or replace function sandbox.regexp_replace(value text, pattern text) returns text
language sql immutable as $$ select pg_catalog.regexp_replace(value, pattern, '', 'g') $$;
create or replace function sandbox.regexp_replace(value text, pattern text, replacement text) returns text
language sql immutable as $$ select pg_catalog.regexp_replace(value, pattern, replacement, 'g') $$;
create or replace function sandbox.regexp_replace(value text, pattern text, replacement text, start integer)
returns text
language sql immutable as $$ select pg_catalog.regexp_replace(value, pattern, replacement, start, 0) $$;

-- REGEXP_SUBSTR is an empty string where nothing matches (REGEXP_SUBSTR).
create or replace function sandbox.regexp_substr(value text, pattern text) returns text
language sql immutable as $$ select case when value is not null and pattern is not null
    then coalesce(pg_catalog.regexp_substr(value, pattern), '') end $$;
create or replace function sandbox.regexp_substr(value text, pattern text, start integer) returns text
language sql immutable as $$ select case when value is not null and pattern is not null
    then coalesce(pg_catalog.regexp_substr(value, pattern, start), '') end $$;
create or replace function sandbox.regexp_substr(value text, pattern text, start integer, occurrence integer)
returns text
language sql immutable as $$ select case when value is not null and pattern is not null
    then coalesce(pg_catalog.regexp_substr(value, pattern, start, occurrence), '') end $$;

create or replace function sandbox.regexp_count(value text, pattern text) returns integer
language sql immutable as $$ select pg_catalog.regexp_count(value, pattern) $$;
create or replace function sandbox.regexp_instr(value text, pattern text) returns integer
language sql immutable as $$ select pg_catalog.regexp_instr(value, pattern) $$;

-- STRTOL: a number written to a base of 2 to 36 (r_STRTOL).
create or replace function sandbox.strtol(digits text, base integer) returns bigint
language plpgsql immutable strict as $$
declare
    written text := lower(btrim(digits));
    negative boolean := left(written, 1) = '-';
    result numeric := 0;
    digit integer;
begin
    if base < 2 or base > 36 then
        raise exception 'The input base % is invalid.', base using errcode = '22023';
    end if;
    written := ltrim(written, '+-');
    if base = 16 and left(written, 2) = '0x' then
        written := substr(written, 3);
    end if;
    for place in 1 .. length(written) loop
        digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(written, place, 1)) - 1;
        if digit < 0 or digit >= base then
            raise exception 'The input % is not valid to be converted to base %', digits, base
                using errcode = '22023';
        end if;
        result := result * base + digit;
    end loop;
    return case when negative then -result else result end;
end $$;

-- SHA2: hexadecimal digits (SHA2).
create or replace function sandbox.sha2(value text, bits integer) returns text
language sql immutable strict as $$
    select encode(case bits
        when 224 then sha224(convert_to(value, 'UTF8'))
        when 256 then sha256(convert_to(value, 'UTF8'))
        when 0 then sha256(convert_to(value, 'UTF8'))
        when 384 then sha384(convert_to(value, 'UTF8'))
        when 512 then sha512(convert_to(value, 'UTF8'))
    end, 'hex')
$$;
-- CRC32: eight hexadecimal digits (crc32-function).
create or replace function sandbox.crc32(value text) returns text
language sql immutable strict as $$ select lpad(to_hex(pg_catalog.crc32(convert_to(value, 'UTF8'))), 8, '0') $$;

-- Numbers

-- AVG of whole numbers is a whole number (r_AVG); the second argument only tells the type.
create or replace function sandbox.average(mean numeric, sample smallint) returns bigint
language sql immutable as $$ select pg_catalog.trunc(mean)::bigint $$;
create or replace function sandbox.average(mean numeric, sample integer) returns bigint
language sql immutable as $$ select pg_catalog.trunc(mean)::bigint $$;
create or replace function sandbox.average(mean numeric, sample bigint) returns bigint
language sql immutable as $$ select pg_catalog.trunc(mean)::bigint $$;
create or replace function sandbox.average(mean numeric, sample numeric) returns numeric
language sql immutable as $$ select mean $$;
create or replace function sandbox.average(mean double precision, sample real) returns double precision
language sql immutable as $$ select mean $$;
create or replace function sandbox.average(mean double precision, sample double precision)
returns double precision
language sql immutable as $$ select mean $$;

-- ROUND and TRUNC take a number of digits for DOUBLE PRECISION too (r_ROUND, r_TRUNC).
create or replace function sandbox.round(value numeric) returns numeric
language sql immutable as $$ select pg_catalog.round(value) $$;
create or replace function sandbox.round(value numeric, digits integer) returns numeric
language sql immutable as $$ select pg_catalog.round(value, digits) $$;
create or replace function sandbox.round(value double precision) returns double precision
language sql immutable as $$ select pg_catalog.round(value::numeric)::double precision $$;
create or replace function sandbox.round(value double precision, digits integer) returns double precision
language sql immutable as $$ select pg_catalog.round(value::numeric, digits)::double precision $$;
create or replace function sandbox.trunc(value numeric) returns numeric
language sql immutable as $$ select pg_catalog.trunc(value) $$;
create or replace function sandbox.trunc(value numeric, digits integer) returns numeric
language sql immutable as $$ select pg_catalog.trunc(value, digits) $$;
create or replace function sandbox.trunc(value double precision) returns double precision
language sql immutable as $$ select pg_catalog.trunc(value) $$;
create or replace function sandbox.trunc(value double precision, digits integer) returns double precision
language sql immutable as $$ select pg_catalog.trunc(value::numeric, digits)::double precision $$;
-- TRUNC of a timestamp is its date (r_TRUNC_date).
create or replace function sandbox.trunc(value timestamp) returns date
language sql immutable as $$ select value::date $$;
-- LOG is the logarithm to base 10 (r_LOG).
create or replace function sandbox.log(value double precision) returns double precision
language sql immutable as $$ select pg_catalog.log(value) $$;
create or replace function sandbox.log(value numeric) returns numeric
language sql immutable as $$ select pg_catalog.log(value) $$;
create or replace function sandbox.dexp(value double precision) returns double precision
language sql immutable as $$ select pg_catalog.exp(value) $$;

-- Dates and times

-- GETDATE is the statement's time without a fraction, SYSDATE the transaction's with one
-- (r_GETDATE, r_SYSDATE).
create or replace function sandbox.getdate() returns timestamp
language sql stable as $$ select pg_catalog.date_trunc('second', statement_timestamp()::timestamp) $$;
create or replace function sandbox.sysdate() returns timestamp
language sql stable as $$ select transaction_timestamp()::timestamp $$;

create or replace function sandbox.date_trunc(part text, value timestamp) returns timestamp
language sql immutable as $$ select pg_catalog.date_trunc(part, value) $$;
create or replace function sandbox.date_trunc(part text, value date) returns timestamp
language sql immutable as $$ select pg_catalog.date_trunc(part, value::timestamp) $$;
create or replace function sandbox.date_trunc(part text, value timestamptz) returns timestamptz
language sql stable as $$ select pg_catalog.date_trunc(part, value) $$;

create or replace function sandbox.parts(part text, number bigint) returns interval
language sql immutable as $$ select case part
    when 'quarter' then make_interval(months => 3 * number::integer)
    when 'millisecond' then number * interval '1 millisecond'
    when 'microsecond' then number * interval '1 microsecond'
    else number * ('1 ' || part)::interval end $$;
create or replace function sandbox.dateadd(part text, number bigint, value timestamp) returns timestamp
language sql immutable as $$ select value + sandbox.parts(part, number) $$;
create or replace function sandbox.dateadd(part text, number bigint, value date) returns timestamp
language sql immutable as $$ select value::timestamp + sandbox.parts(part, number) $$;
create or replace function sandbox.dateadd(part text, number bigint, value timestamptz) returns timestamptz
language sql stable as $$ select value + sandbox.parts(part, number) $$;

-- DATEDIFF counts the boundaries between two times (r_DATEDIFF_function). Weeks begin on Sunday.
create or replace function sandbox.datediff(part text, first timestamp, last timestamp) returns bigint
language sql immutable as $$ select case part
    when 'year' then pg_catalog.date_part('year', last) - pg_catalog.date_part('year', first)
    when 'decade' then pg_catalog.date_part('decade', last) - pg_catalog.date_part('decade', first)
    when 'century' then pg_catalog.date_part('century', last) - pg_catalog.date_part('century', first)
    when 'quarter' then (pg_catalog.date_part('year', last) - pg_catalog.date_part('year', first)) * 4
        + pg_catalog.date_part('quarter', last) - pg_catalog.date_part('quarter', first)
    when 'month' then (pg_catalog.date_part('year', last) - pg_catalog.date_part('year', first)) * 12
        + pg_catalog.date_part('month', last) - pg_catalog.date_part('month', first)
    when 'week' then floor(((last::date - date '1970-01-04')::double precision) / 7)
        - floor(((first::date - date '1970-01-04')::double precision) / 7)
    when 'day' then last::date - first::date
    when 'hour' then extract(epoch from pg_catalog.date_trunc('hour', last) - pg_catalog.date_trunc('hour', first)) / 3600
    when 'minute' then
        extract(epoch from pg_catalog.date_trunc('minute', last) - pg_catalog.date_trunc('minute', first)) / 60
    when 'second' then extract(epoch from pg_catalog.date_trunc('second', last) - pg_catalog.date_trunc('second', first))
    when 'millisecond' then extract(epoch from
        pg_catalog.date_trunc('millisecond', last) - pg_catalog.date_trunc('millisecond', first)) * 1000
    when 'microsecond' then extract(epoch from last - first) * 1000000
    end::numeric::bigint $$;
create or replace function sandbox.datediff(part text, first timestamptz, last timestamptz) returns bigint
language sql stable as $$ select sandbox.datediff(part, first::timestamp, last::timestamp) $$;

-- The last day of a month plus months is the last day of a month (r_ADD_MONTHS).
create or replace function sandbox.add_months(value timestamp, number integer) returns timestamp
language sql immutable as $$ select case
    when value::date = (pg_catalog.date_trunc('month', value) + interval '1 month - 1 day')::date
    then pg_catalog.date_trunc('month', value) + make_interval(months => number + 1) - interval '1 day' + value::time
    else value + make_interval(months => number) end $$;
create or replace function sandbox.last_day(value timestamp) returns date
language sql immutable as $$ select (pg_catalog.date_trunc('month', value) + interval '1 month - 1 day')::date $$;
create or replace function sandbox.months_between(first timestamp, last timestamp) returns double precision
language sql immutable as $$ select
    (extract(year from first) - extract(year from last)) * 12 + extract(month from first) - extract(month from last)
    + case when extract(day from first) = extract(day from last)
            or (first::date = sandbox.last_day(first) and last::date = sandbox.last_day(last))
        then 0 else (extract(day from first) - extract(day from last)
            + extract(epoch from first::time - last::time) / 86400) / 31 end $$;
create or replace function sandbox.next_day(value timestamp, day text) returns date
language sql immutable strict as $$
    select value::date + ((found.day - extract(dow from value)::integer + 6) % 7 + 1)
    from (select array_position(array['su', 'mo', 'tu', 'we', 'th', 'fr', 'sa'], left(lower(day), 2)) - 1 as day)
        as found
$$;
create or replace function sandbox.date_part_year(value date) returns integer
language sql immutable as $$ select extract(year from value)::integer $$;
create or replace function sandbox.date_cmp(first date, last date) returns integer
language sql immutable as $$ select sign(first - last)::integer $$;
-- CONVERT_TIMEZONE: from UTC unless another zone is named (CONVERT_TIMEZONE).
create or replace function sandbox.convert_timezone(target text, value timestamp) returns timestamp
language sql stable as $$ select value at time zone 'UTC' at time zone target $$;
create or replace function sandbox.convert_timezone(source text, target text, value timestamp) returns timestamp
language sql stable as $$ select value at time zone source at time zone target $$;

-- JSON

create or replace function sandbox.is_valid_json(value text) returns boolean
language sql immutable as $$ select value is json object $$;
create or replace function sandbox.is_valid_json_array(value text) returns boolean
language sql immutable as $$ select value is json array $$;
create or replace function sandbox.can_json_parse(value text) returns boolean
language sql immutable as $$ select value is json $$;
create or replace function sandbox.json_array_length(value text) returns integer
language sql immutable strict as $$ select pg_catalog.json_array_length(value::json) $$;
create or replace function sandbox.json_extract_array_element_text(value text, place integer) returns text
language sql immutable strict as $$ select value::json ->> place $$;
-- JSON_EXTRACT_PATH_TEXT is an empty string where the path leads nowhere (JSON_EXTRACT_PATH_TEXT).
create or replace function sandbox.json_extract_path_text(value text, variadic path text[]) returns text
language sql immutable strict as $$ select coalesce(value::json #>> path, '') $$;
create or replace function sandbox.json_parse(value text) returns jsonb
language sql immutable strict as $$ select value::jsonb $$;
create or replace function sandbox.json_serialize(value jsonb) returns text
language sql immutable strict as $$ select value::text $$;

-- The session

create or replace function sandbox.version() returns text
language sql immutable as $$ select
    'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), '
    'Redshift 1.0.0 (sandbox)'::text $$;
-- PG_LAST_COPY_COUNT, PG_LAST_COPY_ID: 0 and -1 before the session's first COPY.
create or replace function sandbox.pg_last_copy_count() returns bigint
language sql stable as $$ select coalesce(nullif(current_setting('sandbox.copy_count', true), ''), '0')::bigint $$;
create or replace function sandbox.pg_last_copy_id() returns integer
language sql stable as $$ select coalesce(nullif(current_setting('sandbox.copy_id', true), ''), '-1')::integer $$;

-- A column's check of its bytes is found by the column's name, so it is renamed with it.
create or replace procedure sandbox.rename_column(target regclass, old text, new text)
language plpgsql as $$
begin
    execute format('alter table %s rename column %I to %I', target, old, new);
    if exists (select from pg_constraint where conrelid = target and conname = left('bytes of ' || old, 63)) then
        execute format('alter table %s rename constraint %I to %I', target,
            left('bytes of ' || old, 63), left('bytes of ' || new, 63));
    end if;
end $$;

-- The functions above may be called by a branch of a UNION ALL that runs beside the others; those that read
-- the session or write may not.
do $$
declare
    pure regprocedure;
begin
    for pure in
        select oid from pg_proc
        where pronamespace = 'sandbox'::regnamespace and provolatile <> 'v' and proname !~ '^pg_last_copy'
    loop
        execute format('alter function %s parallel safe', pure);
    end loop;
end $$;

-- What COPY did

create sequence if not exists sandbox.query_id;
grant usage on sequence sandbox.query_id to public;

create table if not exists sandbox.loads (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text,
    status text, table_name text, table_id integer, start_time timestamp, end_time timestamp, duration bigint,
    data_source text, file_format text, loaded_rows bigint, loaded_bytes bigint, source_file_count integer,
    source_file_bytes bigint, file_count_scanned integer, error_count integer, error_message text
);
create table if not exists sandbox.load_errors (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text,
    table_id integer, start_time timestamp, file_name text, line_number bigint, column_name text,
    column_type text, column_length text, position integer, error_code integer, error_message text,
    raw_line text, raw_field_value text
);
create table if not exists sandbox.replacements (
    user_id integer, query_id bigint, table_id integer, file_name text, line_number bigint, column_name text,
    raw_line text, session_id integer
);
create or replace view sandbox.sys_load_error_detail as
select
    user_id, query_id, transaction_id, session_id, database_name::char(64) as database_name, table_id, start_time,
    file_name::char(256) as file_name, line_number, column_name::char(127) as column_name,
    column_type::char(10) as column_type, column_length::char(10) as column_length, position, error_code,
    error_message::char(512) as error_message
from sandbox.load_errors;
create or replace view sandbox.stl_load_errors as
select
    user_id as userid, 0 as slice, table_id as tbl, start_time as starttime, session_id as session,
    query_id::integer as query, file_name::char(256) as filename, line_number,
    column_name::char(127) as colname, column_type::char(10) as type, column_length::char(10) as col_length,
    position, raw_line::char(1024) as raw_line, raw_field_value::char(1024) as raw_field_value,
    error_code as err_code, error_message::char(100) as err_reason, 0 as is_partial, 0 as start_offset
from sandbox.load_errors;
create or replace view sandbox.sys_load_history as
select
    user_id, query_id, transaction_id, session_id, database_name, status, table_name, start_time, end_time,
    duration, data_source, file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes,
    file_count_scanned, error_count
from sandbox.loads;
create or replace view sandbox.sys_copy_replacements as
select
    user_id, query_id, table_id, file_name::char(256) as file_name, column_name::char(127) as column_name,
    line_number, raw_line::char(1024) as raw_line
from sandbox.replacements;
create or replace view sandbox.stl_replacements as
select
    user_id as userid, query_id::integer as query, 0 as slice, table_id as tbl, session_id as session,
    file_name::char(256) as filename, line_number, column_name::char(127) as colname,
    raw_line::char(1024) as raw_line
from sandbox.replacements;

-- SVV_TABLE_INFO: the columns that PostgreSQL can answer (r_SVV_TABLE_INFO).
create or replace view sandbox.svv_table_info as
select
    current_database()::text as database, schemas.nspname::text as schema, tables.oid as table_id,
    tables.relname::text as "table", (pg_total_relation_size(tables.oid) + 1048575) / 1048576 as size,
    coalesce(counts.n_live_tup, 0)::numeric(38, 0) as tbl_rows
from pg_catalog.pg_class as tables
join pg_catalog.pg_namespace as schemas on schemas.oid = tables.relnamespace
left join pg_catalog.pg_stat_all_tables as counts on counts.relid = tables.oid
where tables.relkind = 'r' and schemas.nspname not in ('pg_catalog', 'information_schema', 'sandbox')
    and schemas.nspname not like 'pg\_t%';

-- PG_TABLE_DEF: the columns of the tables in the schemas of the search path, as far as PostgreSQL knows them
-- (r_PG_TABLE_DEF).
create or replace view sandbox.pg_table_def as
select
    schemas.nspname as schemaname, tables.relname as tablename, columns.attname as "column",
    case
        when pg_catalog.format_type(columns.atttypid, columns.atttypmod) = 'jsonb' then 'super'
        else pg_catalog.format_type(columns.atttypid, columns.atttypmod)
    end as type,
    columns.attnotnull as "notnull"
from pg_catalog.pg_class as tables
join pg_catalog.pg_namespace as schemas on schemas.oid = tables.relnamespace
join pg_catalog.pg_attribute as columns on columns.attrelid = tables.oid
where tables.relkind = 'r' and columns.attnum > 0 and not columns.attisdropped
    and schemas.nspname = any (current_schemas(true));

-- SVV_ROLES: a role is what cannot sign in (SVV_ROLES).
create or replace view sandbox.svv_roles as
select
    roles.oid::integer as role_id, roles.rolname::text as role_name, null::text as role_owner,
    null::text as external_id
from pg_catalog.pg_roles as roles
where not roles.rolcanlogin and roles.rolname not like 'pg\_%';

grant select on sandbox.svv_roles, sandbox.sys_load_error_detail, sandbox.stl_load_errors,
    sandbox.sys_load_history, sandbox.sys_copy_replacements, sandbox.stl_replacements, sandbox.svv_table_info, sandbox.pg_table_def
    to public;
