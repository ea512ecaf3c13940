-- sys_load_error_detail: why COPY refused lines of the parts whose names are like a pattern; the first few.
-- The line is that of the part. Rerun: only reads.
select
    file_name,
    line_number,
    column_name,
    error_message
from sys_load_error_detail
where file_name like :pattern
order by file_name, line_number
limit 3;
