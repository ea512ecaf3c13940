"""`python -m bench.with_duckdb SOURCE TARGET THREADS`: a day's events as compressed JSON, by DuckDB."""

import sys

import duckdb

from bench.columns import DAY, KEY, TYPES

source, target, threads = sys.argv[1:]
connection = duckdb.connect()
connection.execute(f"set threads = {threads}")
connection.execute(
    f"""
    copy (
        select '{DAY}' as day, *, '{KEY}' as source_file, row_number() over () as source_line
        from read_json('{source}', format = 'newline_delimited', columns = {TYPES})
    ) to '{target}' (format json, compression zstd)
    """
)
