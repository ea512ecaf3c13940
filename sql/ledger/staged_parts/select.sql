-- staged_parts: the parts that the good lines of a file, or one line, travelled in. Grain: first_line.
select
    first_line,
    last_line,
    part
from staged_parts
where
    source = :source
    and source_file = :file
    and (cast(:line as bigint) is null or cast(:line as bigint) between first_line and last_line)
order by first_line;
