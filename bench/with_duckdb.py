"""`python -m bench.with_duckdb SOURCE FOLDER THREADS BYTES`: a day's events as compressed JSON, by DuckDB.

BYTES is how many a file has, about.
"""

import sys

import duckdb

from bench.columns import DAY, KEY, TYPES

source, folder, threads, size = sys.argv[1:]
connection = duckdb.connect()
connection.execute(f"set threads = {threads}")
connection.execute(
    f"""
    copy (
        select '{DAY}' as day, *, '{KEY}' as source_file, row_number() over () as source_line
        from read_json('{source}', format = 'newline_delimited', columns = {TYPES})
    ) to '{folder}' (format json, compression zstd, file_size_bytes {size})
    """
)
