"""`python -m bench.with_polars SOURCE FOLDER THREADS LINES`: a day's events as compressed JSON, by Polars.

LINES is how many a file has.
"""

import os
import sys

from bench.columns import DAY, KEY, TYPES

source, folder, threads, count = sys.argv[1:]
os.environ["POLARS_MAX_THREADS"] = threads  # read when it is imported

import polars  # noqa: E402

TYPE = {
    "VARCHAR": polars.String,
    "INTEGER": polars.Int32,
    "BIGINT": polars.Int64,
    "DOUBLE": polars.Float64,
}
lines = polars.scan_ndjson(source, schema={name: TYPE[kind] for name, kind in TYPES.items()})
lines = lines.with_row_index("source_line", offset=1)
lines = lines.with_columns(day=polars.lit(DAY), source_file=polars.lit(KEY))
files = polars.PartitionBy(folder, max_rows_per_file=int(count), approximate_bytes_per_file=None)
lines.sink_ndjson(files, compression="zstd", compression_level=1, mkdir=True)
