"""What COPY refused: from the line of a part, as the warehouse tells it, back to the line of the source."""

import asyncio
import json

import msgspec

from sparkify import parts, warehouse
from sparkify.compressor import DamagedPart
from sparkify.errors import SparkifyError
from sparkify.log import Log
from sparkify.objects import Bucket, Changed
from sparkify.settings import Settings
from sparkify.sources import Source
from sparkify.statements import statement

_MOST = 3
_LONGEST_VALUE = 100  # characters shown of a value

# The folder of a part → the COPY that reads it.
_COPIES = {
    "rows": "staging/{source}/copy",
    "files": "ledger/touched_files/copy",
    "lines": "ledger/staged_parts/copy",
    "index": "ledger/quarantine/copy",
    "drift": "ledger/schema_drift/copy",
}


def explain(settings: Settings, log: Log, staging: Bucket, source: Source, version: str) -> str:
    """Each refused line of a stage's parts: source file and line, column, value and the warehouse's reason;
    then the definition of its table, to compare it with.

    Empty when the warehouse refused none: what failed is not in the parts. The view is
    SYS_LOAD_ERROR_DETAIL (Redshift Database Developer Guide); its rows outlive the rollback.

    Raises:
        DamagedPart: a refused part is not what was written, so its lines are none of the source's.
    """
    query = statement(settings.sql, "ledger/load_errors/select")
    found = warehouse.read(
        settings, log, lambda transaction: transaction.select(query, pattern=f"%/{version}/%")[1]
    )
    lines = []
    tables = set()
    for part, number, column, kind, length, code, message in found[:_MOST]:
        row = None
        copy = _COPIES[part.rsplit("/", 2)[-2]].format(source=source.name)
        tables.add(f"sql/{copy.removesuffix('copy')}create.sql")
        try:
            row = asyncio.run(_row(settings, staging, copy, part, number))
        except DamagedPart:
            raise
        except (SparkifyError, Changed):
            pass  # what the warehouse says is known without the part
        where = f"line {number} of {part}"
        if row:
            where = f"{row['source_file']}" + (f":{row['source_line']}" if "source_line" in row else "")
        what = f" column {column} {kind}{f'({length})' if length not in ('', '0') else ''}" if column else ""
        if row and column in row:
            what += f", value {_shown(row[column])}"
        place = f" ({part} line {number})" if row else ""
        lines.append(f"{where}{what}: {message}, error {code}{place}")
    if not lines:
        return ""
    more = ["and more"] if len(found) > _MOST else []
    rules = (
        "staging is as it was; the rules let pass what the table cannot take: compare it with "
        + " and ".join(sorted(tables))
    )
    return "; ".join([*lines, *more, rules])


async def _row(
    settings: Settings, staging: Bucket, copy: str, part: str, number: int
) -> dict[str, object] | None:
    """A part's line as column → value; None when it is not there."""
    columns = statement(settings.sql, copy).copied_columns
    found = await staging.find(part.removeprefix(staging.location.url()))
    place = 0
    async for row in parts.rows(staging, [found] if found else []):
        place += 1
        if place == number:
            return dict(zip(columns, msgspec.json.decode(row), strict=True))
    return None


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"
