-- sys_load_error_detail: why COPY refused lines of the parts whose names are like a pattern; the first few.
-- The line is that of the part. The view has no value: the part has it. Rerun: only reads.
select
    trim(file_name) as part,
    line_number,
    trim(column_name) as column_name,
    trim(column_type) as column_type,
    trim(column_length) as column_length,
    error_code,
    trim(error_message) as error_message
from sys_load_error_detail
where file_name like :pattern
order by file_name, line_number
limit 4;
