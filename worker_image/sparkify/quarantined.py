"""`sparkify quarantine`: look into what was quarantined, and judge it again by the rules in force now."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from datetime import date
from itertools import groupby

import msgspec

from sparkify import parts, report, sources, stage, warehouse
from sparkify.errors import DataError, NothingToDo, UsageError
from sparkify.lines import LONGEST, Block
from sparkify.log import Log
from sparkify.objects import Bucket, Changed
from sparkify.rows import Parser
from sparkify.settings import Settings
from sparkify.sources import Source
from sparkify.statements import Statement, statement

_SHOWN = 1000  # characters of a line that `show` prints
# Kept lines are judged in blocks of about so many bytes.
_BLOCK = 4 * 1024 * 1024


class _Gone(DataError):
    """Kept bytes are not there any more."""


@dataclass(frozen=True)
class Entry:
    """A bad line: where it comes from, what is wrong with it, where its bytes are.

    `etag` is that of the file as it is staged; None where the stage was refused.
    """

    source: str
    day: str | None
    source_file: str
    source_line: int
    reason: str
    detail: str
    raw_object: str
    raw_offset: int
    raw_length: int
    version: str
    run: str
    etag: str | None = None


def list_(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Print the quarantined lines that the options ask for, as a table or as JSON, an object a line.

    Raises:
        UsageError: --at is not a place where a stage keeps its quarantine.
    """
    found = _asked(args, settings, log, args.limit + 1)
    if len(found) > args.limit:
        log.warning("there are more lines; --limit shows them", shown=args.limit)
    shown = found[: args.limit]
    if args.format == "json":
        for each in shown:
            print(report.as_json(asdict(each)))
        return
    columns = ["source", "day", "line", "reason", "bytes", "detail"]
    rows = [
        (each.source, each.day, _place(each), each.reason, each.raw_length, each.detail) for each in shown
    ]
    print(report.table(columns, rows))


def show(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Print one quarantined line with all that is known of it; with --raw just its bytes, as they were.

    Raises:
        DataError: there is no such line, several files' names end so, or its bytes are gone.
    """
    args.file, args.line = args.place
    found = _asked(args, settings, log, 2)
    where = f"{args.file}:{args.line}"
    if not found:
        raise DataError(f"no quarantined line {where}; see what there is with: sparkify quarantine list")
    if len(found) > 1:
        raise DataError(f"{where} is {' and '.join(map(_place, found))}: give more of the name")
    entry = found[0]
    if args.raw:
        asyncio.run(_write_raw(settings, entry))
        return
    print(report.record([each.name for each in fields(Entry)], astuple(entry)))
    raw = asyncio.run(_joined(_raw(settings, entry, min(entry.raw_length, 4 * _SHOWN))))
    text = raw.decode(errors="backslashreplace")
    cut = len(raw) < entry.raw_length or len(text) > _SHOWN
    print(f"\n{report.visible(text[:_SHOWN])}{'… (--raw prints all)' if cut else ''}")


def retry(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Judge kept lines again; where the verdict on one is another now, stage its file again, whole.

    Raises:
        NothingToDo: the rules say of each line what they said.
        DataError: a file has changed or is gone since it was staged; or what a stage raises.
        UsageError: neither a day nor a source is given.
    """
    if args.date and args.source == "songs":
        raise UsageError("quarantine retry: songs have no day; leave out --date")
    if not (args.date or args.source):
        raise UsageError("quarantine retry: say which lines: --date DAY, --source events or --source songs")
    entries = _staged(settings, log, source=args.source or "events", day=args.date)
    if not entries:
        raise NothingToDo("the quarantine holds no such line")
    failed: list[str] = []
    changed = 0
    for day, group in groupby(entries, lambda entry: entry.day):
        source = sources.events(settings.sql, date.fromisoformat(day)) if day else sources.songs(settings.sql)
        try:
            changed += _retry(source, list(group), settings, log.for_day(day))
        except DataError as error:
            failed.append(str(error))
    if failed:
        raise DataError("; ".join(failed))
    if not changed:
        raise NothingToDo(f"the rules say of all {len(entries)} lines what they said when they were staged")


def _retry(source: Source, entries: Sequence[Entry], settings: Settings, log: Log) -> int:
    """Lines of which the rules say something else now."""
    try:
        verdicts = asyncio.run(_verdicts(settings, source, entries))
    except _Gone:
        now = _staged(settings, log, source=source.name, day=source.day)
        if {each.version for each in now} == {each.version for each in entries}:
            raise
        log.warning("beginning again", reason="another stage replaced the lines meanwhile")
        return _retry(source, now, settings, log)
    counts = Counter((source.day, entry.reason, verdict or "good") for entry, verdict in verdicts)
    print(report.table(["day", "was", "is", "lines"], [(*key, count) for key, count in counts.items()]))
    changed = [entry for entry, verdict in verdicts if verdict != entry.reason]
    if changed:
        etags = {entry.source_file: entry.etag for entry in changed}
        stage.again(source, etags, settings, log)
        day = source.day or "DAY, of any day"
        log.info("staged again; next comes the load", command=f"sparkify load --date {day}")
    return len(changed)


def _asked(args: argparse.Namespace, settings: Settings, log: Log, limit: int) -> list[Entry]:
    """The entries that the options ask for, at most so many."""
    wanted = {
        "source": getattr(args, "source", None),
        "day": getattr(args, "date", None),
        "reason": getattr(args, "reason", None),
        "file": args.file and args.file.removeprefix(settings.source.url()),
        "line": getattr(args, "line", None),
    }
    if not args.at:
        return _staged(settings, log, limit, **wanted)
    found = []
    for entry in asyncio.run(_refused(settings, args.at)):
        same = {
            "source": entry.source,
            "day": entry.day and date.fromisoformat(entry.day),
            "reason": entry.reason,
            "line": entry.source_line,
        }
        if all(wanted[name] in (None, value) for name, value in same.items()) and (
            not wanted["file"] or entry.source_file.endswith(wanted["file"])
        ):
            found.append(entry)
    found.sort(key=lambda entry: (entry.source_file, entry.source_line))
    return found[:limit]


def _staged(settings: Settings, log: Log, limit: int | None = None, **wanted: object) -> list[Entry]:
    """Entries of the table."""
    query = statement(settings.sql, "ledger/quarantine/select")
    if limit is not None:
        query = Statement(query.name, f"{query.text}\nlimit {limit}")
    parameters = {**dict.fromkeys(query.parameters), **wanted}
    _, rows = warehouse.read(settings, log, lambda transaction: transaction.select(query, **parameters))
    return [Entry(source, day and str(day), *rest) for source, day, *rest in rows]


async def _refused(settings: Settings, prefix: str) -> list[Entry]:
    """Entries of the index that a stage wrote below a prefix, whether it was refused or not."""
    bucket, key = _kept(settings, prefix)
    listed = await bucket.list(f"{key.strip('/')}/index/")
    index = [each for each in listed if each.key.endswith(".zst")]
    if not index:
        raise UsageError(f"there is no quarantine at {prefix}; the stage's message names its place")
    return [Entry(*msgspec.json.decode(row)) async for row in parts.rows(bucket, index)]


def _place(entry: Entry) -> str:
    return f"{entry.source_file}:{entry.source_line}"


def _kept(settings: Settings, url: str) -> tuple[Bucket, str]:
    """The staging bucket, and the key of what it keeps there."""
    root = settings.staging.url()
    if not url.startswith(f"{root}quarantine/"):
        raise UsageError(f"{url} is not below {root}quarantine/; check SPARKIFY_STAGING")
    return Bucket(settings.staging, settings.region, "SPARKIFY_STAGING"), url.removeprefix(root)


async def _raw(settings: Settings, entry: Entry, length: int) -> AsyncIterator[memoryview]:
    """The first bytes of a kept line."""
    bucket, key = _kept(settings, entry.raw_object)
    try:
        listed = await bucket.find(key)
        if listed is None:
            raise Changed
        async for buffer in bucket.stream(listed, entry.raw_offset, entry.raw_offset + length):
            yield buffer
    except Changed:
        raise _Gone(
            f"the bytes of {_place(entry)} are gone from {entry.raw_object}; stage its file again"
        ) from None


async def _joined(buffers: AsyncIterator[memoryview]) -> bytes:
    return b"".join([buffer async for buffer in buffers])


async def _write_raw(settings: Settings, entry: Entry) -> None:
    async for buffer in _raw(settings, entry, entry.raw_length):
        sys.stdout.buffer.write(buffer)
    sys.stdout.buffer.flush()


async def _verdicts(
    settings: Settings, source: Source, entries: Sequence[Entry]
) -> list[tuple[Entry, str | None]]:
    """What the rules say now of each kept line: a reason, or None when it is good."""
    parser = Parser(source.contract, source.rules)
    found: list[tuple[Entry, str | None]] = []
    for block in _blocks(entries):
        if block[0].raw_length > LONGEST:
            found.append((block[0], block[0].reason))
            continue
        length = block[-1].raw_offset + block[-1].raw_length - block[0].raw_offset
        raw = await _joined(_raw(settings, block[0], length))
        reasons = {bad.line: bad.problem.reason for bad in parser.parse(Block.of(raw), (), 1).bad}
        found += [(entry, reasons.get(line)) for line, entry in enumerate(block, 1)]
    return found


def _blocks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries whose bytes lie one after the other, some megabytes at a time."""
    block: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (entry.raw_object, entry.raw_offset)):
        if block:
            last = block[-1]
            begun = entry.raw_offset - block[0].raw_offset
            follows = entry.raw_offset == last.raw_offset + last.raw_length + 1
            if entry.raw_object != last.raw_object or not follows or begun > _BLOCK:
                yield block
                block = []
        block.append(entry)
    if block:
        yield block
