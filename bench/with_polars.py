"""`python -m bench.with_polars SOURCE TARGET THREADS`: a day's events as compressed JSON, by Polars."""

import os
import sys

from bench.columns import DAY, KEY, TYPES

source, target, threads = sys.argv[1:]
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
lines.sink_ndjson(target, compression="zstd", compression_level=1)
