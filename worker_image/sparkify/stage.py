"""`sparkify stage`: bring S3 objects into the staging tables.

The objects are read, checked and written as compressed parts before the lock is taken; one transaction then
replaces what was staged. It is refused when another stage committed meanwhile: this one begins again.

Below SPARKIFY_STAGING each attempt has its own prefixes, named after its version. Its parts are deleted after
the commit. Whatever lies there from before its manifest was written, and belongs to another version, is
garbage by then: the attempt that wrote it has failed, or will see that this one committed and begin again.
Both times are S3's, so clocks do not matter. Raw bytes that the quarantine's index names stay.
"""

import argparse
import asyncio
import math
import re
import signal
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import msgspec

from sparkify import warehouse
from sparkify.errors import DataError, NothingToDo, PassingError, Terminated
from sparkify.events import EventRules
from sparkify.lines import LONGEST, Piece, blocks
from sparkify.log import Log
from sparkify.objects import Bucket, Changed, Object, Upload
from sparkify.parts import CopySource, Parts
from sparkify.press import ChildPress, LocalPress, Order, Press
from sparkify.quarantine import LongLine, Quarantine
from sparkify.rows import Rules
from sparkify.settings import Settings
from sparkify.songs import SongRules
from sparkify.statements import literal, statement
from sparkify.warehouse import Transaction

Result = TypeVar("Result")

_TRIES = 5

# A source of at least this many bytes is pressed by several processes; starting them takes longer than a
# smaller one does.
_LARGE = 64 * 1024 * 1024
# Source bytes that a part holds at least, so that it has 1 MB compressed, and at most, so that it stays far
# below 1 GB however badly it packs (Redshift Database Developer Guide, c_best-practices-use-multiple-files).
_PART_LEAST = 16 * 1024 * 1024
_PART_MOST = 768 * 1024 * 1024

# Objects up to this size are read whole, many at a time; larger ones are streamed.
_SMALL = 256 * 1024
_READ_AT_ONCE = 64


class _Overtaken(Exception):
    """Another stage of the same source and day committed since this one began."""


@dataclass(frozen=True)
class _Source:
    """What is particular to staging events or songs."""

    name: str
    day: date | None
    rules: Rules
    columns: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where its objects lie below SPARKIFY_STAGING and its quarantine/."""
        return f"{self.name}/{self.day or 'all'}/"

    def lineage(self, file: str) -> tuple[str, ...]:
        return (str(self.day), file) if self.day else (file,)

    def positions(self) -> list[int]:
        """Of each column of its COPY, the position in a row's array (sparkify.rows)."""
        fields = [*self.rules.record.__struct_fields__, *(("day",) if self.day else ())]
        fields += ["source_file", "source_line", "content_hash"]
        return [fields.index(name) for name in self.columns]


def _events(day: date) -> _Source:
    # The order of sql/staging/events/copy.sql, in the source's names.
    columns = (
        "day sessionId itemInSession ts page userId firstName lastName gender level auth artist song length "
        "location method registration status userAgent source_file source_line content_hash"
    )
    return _Source("events", day, EventRules(day), tuple(columns.split()))


def _songs() -> _Source:
    # The order of sql/staging/songs/copy.sql.
    columns = (
        "source_file source_line song_id title artist_id artist_name artist_location artist_latitude "
        "artist_longitude duration year num_songs content_hash"
    )
    return _Source("songs", None, SongRules(), tuple(columns.split()))


@dataclass
class _File:
    """What became of one file's lines; without an object, the file is gone."""

    key: str
    listed: Object | None
    lines: int = 0
    loaded: int = 0
    quarantined: int = 0


@dataclass
class _Prepared:
    """An attempt's objects in S3, ready for COPY."""

    version: str
    files: list[_File]
    touched: CopySource | None = None
    rows: CopySource | None = None
    quarantine: CopySource | None = None

    @property
    def loaded(self) -> int:
        return sum(file.loaded for file in self.files)


def events(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Stage one day's events: what its file says now replaces what was staged.

    Raises:
        PassingError: the day has no object, and SPARKIFY_MISSING_DAY is fail.
        NothingToDo: it has none, SPARKIFY_MISSING_DAY is empty, and nothing of the day is staged.
        DataError: too many lines are bad, or the warehouse refused the rows; staging is as it was.
    """
    day: date = args.date
    prefix = f"log_data/{day:%Y/%m}/"
    name = f"{prefix}{day}-events.json"

    def choose(listed: Sequence[Object], staged: _Staged) -> list[_File]:
        pattern = re.compile(rf"{re.escape(prefix)}{day:%Y-%m}-\d\d-events\.json")
        _report_left_out(log, [each for each in listed if not pattern.fullmatch(each.key)])
        found = [_File(each.key, each) for each in listed if each.key == name]
        if not found:
            where = settings.source.url(name)
            if settings.missing_day == "fail":
                raise PassingError(
                    f"{day} has no object: looked for {where} among {len(listed)} below its folder; "
                    "it may still come; SPARKIFY_MISSING_DAY=empty would mean a day without events"
                )
            if staged.version is None:
                raise NothingToDo(f"{day} has no object at {where}, and nothing of it is staged")
            log.warning("the day has no object: what was staged of it leaves", looked_for=where)
        return found

    _Stage(_events(day), settings, log).run(prefix, choose)


def songs(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Stage the songs whose objects are new, changed or gone since the last time.

    Raises:
        DataError: too many lines are bad, or the warehouse refused the rows; staging is as it was.
    """
    prefix = "song_data/"

    def choose(listed: Sequence[Object], staged: _Staged) -> list[_File]:
        pattern = re.compile(rf"{prefix}\w/\w/\w/[^/]+\.json")
        found = {each.key: each for each in listed if pattern.fullmatch(each.key)}
        _report_left_out(log, [each for each in listed if each.key not in found])
        if not found:
            log.warning(
                "there are no song objects", looked_at=settings.source.url(prefix), staged=len(staged.etags)
            )
        changed = [_File(key, each) for key, each in found.items() if staged.etags.get(key) != each.etag]
        gone = [_File(key, None) for key in staged.etags if key not in found]
        log.info(
            "compared with the ledger",
            unchanged=len(found) - len(changed),
            new=sum(file.key not in staged.etags for file in changed),
            changed=sum(file.key in staged.etags for file in changed),
            gone=len(gone),
        )
        return changed + gone

    _Stage(_songs(), settings, log).run(prefix, choose)


def _report_left_out(log: Log, objects: Sequence[Object]) -> None:
    if objects:
        log.warning(
            "left out objects whose names are not a source file's",
            objects=len(objects),
            some=", ".join(each.key for each in objects[:3]),
        )


@dataclass(frozen=True)
class _Staged:
    """What is staged now: its version, if any, and for songs what the ledger says of each file."""

    version: str | None
    etags: dict[str, str] = field(default_factory=dict)
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)


_Choose = Callable[[Sequence[Object], _Staged], list[_File]]


class _Stage:
    def __init__(self, source: _Source, settings: Settings, log: Log):
        self._source = source
        self._settings = settings
        self._log = log
        self._lock = f"lock_staging_{source.name}"

    def run(self, prefix: str, choose: _Choose) -> None:
        source, staging = (
            Bucket(self._settings.source, self._settings.region, "SPARKIFY_SOURCE"),
            Bucket(self._settings.staging, self._settings.region, "SPARKIFY_STAGING"),
        )
        for _ in range(_TRIES):
            started = time.monotonic()
            staged = warehouse.read(self._settings, self._log, self._staged)
            version = uuid.uuid4().hex
            try:
                prepared = _interruptible(self._prepare(version, source, staging, prefix, choose, staged))
                if prepared is None:
                    self._log.info("staged already: nothing changed")
                    return
                self._commit(prepared, staged)
            except (Changed, _Overtaken) as reason:
                self._log.warning("beginning again", reason=str(reason))
                continue
            rows = prepared.loaded
            self._log.info("staged", rows=rows, version=version, seconds=time.monotonic() - started)
            self._clear(staging, prepared, staged.version)
            return
        raise PassingError(f"gave up after {_TRIES} tries: the objects or the staging tables keep changing")

    def _staged(self, transaction: Transaction) -> _Staged:
        version = self._version(transaction)
        if self._source.day:
            return _Staged(version)
        rows = transaction.rows("ledger/staged_files/select", source=self._source.name)
        return _Staged(
            version,
            {file: etag for file, etag, *_ in rows},
            {file: (lines, quarantined) for file, _, lines, quarantined in rows},
        )

    def _version(self, transaction: Transaction) -> str | None:
        rows = transaction.rows(
            "ledger/staging_versions/select", source=self._source.name, day=self._source.day
        )
        return rows[0][0] if rows else None

    async def _prepare(
        self, version: str, source: Bucket, staging: Bucket, prefix: str, choose: _Choose, staged: _Staged
    ) -> _Prepared | None:
        """Read, check and write; None when there is nothing to replace."""
        started = time.monotonic()
        # The second listing is for its errors: that the bucket is there is better known before the work.
        listed, _ = await asyncio.gather(source.list(prefix), staging.list(f"{self._source.place}{version}/"))
        self._log.info(
            "listed",
            prefix=source.location.url(prefix),
            objects=len(listed),
            bytes=sum(each.size for each in listed),
            seconds=time.monotonic() - started,
        )
        files = choose(listed, staged)
        if not files and self._source.day is None:
            return None
        started = time.monotonic()
        pressing = _Pressing(self._source, self._settings, self._log, version, source, staging)
        await pressing.run(files)
        self._judge(files, staged, pressing)
        prepared = await pressing.finish(files)
        self._log.info(
            "wrote parts",
            files=sum(file.listed is not None for file in files),
            gone=sum(file.listed is None for file in files) or None,
            lines=sum(file.lines for file in files),
            loaded=prepared.loaded,
            quarantined=pressing.quarantine.lines,
            parts=pressing.parts.count,
            bytes=pressing.parts.size,
            seconds=time.monotonic() - started,
        )
        return prepared

    def _judge(self, files: Sequence[_File], staged: _Staged, pressing: "_Pressing") -> None:
        """Report the bad lines and unknown fields; stop when too many of all lines are bad."""
        if pressing.unknown:
            self._log.warning(
                "dropped unknown fields",
                lines_by_field=", ".join(
                    f"{name!r}: {count}" for name, count in pressing.unknown.most_common(10)
                ),
                fields=len(pressing.unknown),
            )
        quarantine = pressing.quarantine
        if not quarantine.lines:
            return
        touched = {file.key for file in files}
        others = [counts for key, counts in staged.lines.items() if key not in touched]
        lines = sum(file.lines for file in files) + sum(count for count, _ in others)
        bad = quarantine.lines + sum(count for _, count in others)
        reasons = ", ".join(f"{reason} {count}" for reason, count in quarantine.reasons.most_common())
        examples = "; ".join(quarantine.examples)
        if bad > lines * self._settings.max_bad_ratio:
            raise DataError(
                f"{bad} of {lines} lines are bad ({reasons}), more than SPARKIFY_MAX_BAD_RATIO="
                f"{self._settings.max_bad_ratio:g} allows; staging is as it was; first: {examples}; "
                f"the raw lines and their index are at {quarantine.url}"
            )
        self._log.warning(
            "quarantined lines", lines=quarantine.lines, reasons=reasons, first=examples, at=quarantine.url
        )

    def _commit(self, prepared: _Prepared, staged: _Staged) -> None:
        started = time.monotonic()
        try:
            warehouse.write(
                self._settings,
                self._log,
                self._lock,
                lambda transaction: self._replace(transaction, prepared, staged),
                lambda transaction: self._version(transaction) == prepared.version,
            )
        except DataError as error:
            if errors := self._load_errors(prepared.version):
                raise DataError(f"{error}: {errors}") from error
            raise
        self._log.info("committed", rows=prepared.loaded, seconds=time.monotonic() - started)

    def _replace(self, transaction: Transaction, prepared: _Prepared, staged: _Staged) -> None:
        if self._version(transaction) != staged.version:
            raise _Overtaken("another stage of the same committed meanwhile")
        name = self._source.name
        parameters = {
            "source": name,
            "day": self._source.day,
            "version": prepared.version,
            "run": self._log.run,
        }
        transaction.execute("ledger/touched_files/create")
        self._copy(transaction, "ledger/touched_files/copy", prepared.touched, len(prepared.files))
        transaction.execute(f"staging/{name}/delete", **parameters)
        self._copy(transaction, f"staging/{name}/copy", prepared.rows, prepared.loaded)
        transaction.execute("ledger/quarantine/delete", **parameters)
        quarantined = sum(file.quarantined for file in prepared.files)
        self._copy(transaction, "ledger/quarantine/copy", prepared.quarantine, quarantined)
        transaction.execute("ledger/staged_files/delete", **parameters)
        transaction.execute("ledger/staged_files/insert", **parameters)
        transaction.execute("ledger/staging_versions/delete", **parameters)
        transaction.execute("ledger/staging_versions/insert", **parameters)

    def _copy(self, transaction: Transaction, name: str, source: CopySource | None, rows: int) -> None:
        if source is None:
            return
        role = self._settings.copy_role
        copied = transaction.copy(
            name,
            manifest=literal(source.manifest),
            jsonpaths=literal(source.jsonpaths),
            copy_role=role if role == "default" else literal(role),
            region=literal(self._settings.region),
        )
        if copied != rows:
            raise DataError(
                f"COPY from {source.manifest} loaded {copied} rows of {rows}; nothing is changed, "
                "and the parts are still there to be looked into"
            )

    def _load_errors(self, version: str) -> str:
        """What the warehouse kept of why it refused this version's parts."""
        query = statement(self._settings.sql, "ledger/load_errors/select")
        rows = warehouse.read(
            self._settings,
            self._log,
            lambda transaction: transaction.select(query, pattern=f"%/{version}/%")[1],
        )
        return "; ".join(
            f"{str(file).strip()} line {line}, {str(column).strip()}: {str(message).strip()}"
            for file, line, column, message in rows
        )

    def _clear(self, staging: Bucket, prepared: _Prepared, replaced: str | None) -> None:
        """Delete this version's parts, and what versions before it left."""
        rows = warehouse.read(
            self._settings,
            self._log,
            lambda transaction: transaction.rows(
                "ledger/quarantine/select_versions", source=self._source.name, day=self._source.day
            ),
        )
        named = {prepared.version, *(version for (version,) in rows)}
        _interruptible(self._delete(staging, prepared.version, replaced, named))

    async def _delete(self, staging: Bucket, own: str, replaced: str | None, named: set[str]) -> None:
        place = self._source.place
        quarantine = f"quarantine/{place}"
        parts, raw = await asyncio.gather(staging.list(place), staging.list(quarantine))
        versions = [(each.key.removeprefix(place).split("/")[0], each) for each in parts]
        written = max((each.modified for version, each in versions if version == own), default=None)

        def is_garbage(version: str, each: Object) -> bool:
            return version == replaced or (written is not None and each.modified < written)

        garbage = [each.key for version, each in versions if version == own or is_garbage(version, each)]
        for each in raw:
            version = each.key.removeprefix(quarantine).split("/")[0]
            if version not in named and is_garbage(version, each):
                garbage.append(each.key)
        await staging.delete(garbage)


@dataclass
class _Slot:
    """One press, what waits for it, and the part that it fills."""

    press: Press
    waiting: asyncio.Queue[tuple[_File, bytes, Order] | None]
    upload: Upload | None = None
    fed: int = 0
    ended: int = 0


class _Pressing:
    """Reads files, presses their lines, and writes parts and quarantine."""

    def __init__(
        self, source: _Source, settings: Settings, log: Log, version: str, reading: Bucket, staging: Bucket
    ):
        self._source = source
        self._settings = settings
        self._version = version
        self._reading = reading
        self._staging = staging
        self._prefix = f"{source.place}{version}/"
        self.parts = Parts(staging, f"{self._prefix}rows/", source.positions())
        self.quarantine = Quarantine(
            staging,
            f"quarantine/{self._prefix}",
            source.name,
            str(source.day) if source.day else None,
            version,
            log.run,
        )
        self.unknown: Counter[str] = Counter()
        self._indexed: CopySource | None = None

    async def run(self, files: Sequence[_File]) -> None:
        size = sum(file.listed.size for file in files if file.listed)
        processes = self._settings.processes if size >= _LARGE else 1
        parts = _part_count(size, processes, self._settings.slices)
        async with AsyncExitStack() as stack:
            slots = []
            for _ in range(processes):
                press: Press = (
                    await ChildPress.start(self._source.day)
                    if processes > 1
                    else LocalPress(self._source.rules)
                )
                stack.push_async_callback(press.close)
                slots.append(_Slot(press, asyncio.Queue(maxsize=1)))
            try:
                async with asyncio.TaskGroup() as group:
                    for slot in slots:
                        group.create_task(self._drain(slot))
                    await self._feed(files, slots, size / parts, parts // processes)
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None
        self._indexed = await self.quarantine.finish()

    async def _feed(
        self, files: Sequence[_File], slots: Sequence[_Slot], part_size: float, parts: int
    ) -> None:
        """Hand blocks to the slots in turn; a slot ends each part but its last after `part_size` bytes."""
        turn = 0
        async for file, contents in self._contents(files):
            lineage = self._source.lineage(file.key)
            line = 1
            long: LongLine | None = None
            async for block in blocks(contents):
                if isinstance(block, Piece):
                    long = long or self.quarantine.open_long(file.key, line)
                    await long.write(block.data)
                    if block.last:
                        await long.close(LONGEST)
                        long = None
                        line += 1
                        file.lines += 1
                        file.quarantined += 1
                    continue
                slot = slots[turn % len(slots)]
                turn += 1
                slot.fed += len(block)
                end = slot.fed >= part_size and slot.ended < parts - 1
                if end:
                    slot.fed = 0
                    slot.ended += 1
                await slot.waiting.put((file, block, Order(lineage, line, end)))
                line += block.count(b"\n")
        for slot in slots:
            await slot.waiting.put(None)

    async def _contents(self, files: Sequence[_File]) -> AsyncIterator[tuple[_File, AsyncIterator[bytes]]]:
        """The files that are there, in order; small ones are read ahead."""
        ahead: deque[tuple[_File, asyncio.Task[bytes] | None]] = deque()
        todo = deque(file for file in files if file.listed)
        try:
            while todo or ahead:
                while todo and len(ahead) < _READ_AT_ONCE:
                    file = todo.popleft()
                    assert file.listed
                    small = file.listed.size <= _SMALL
                    task = asyncio.create_task(self._reading.get(file.listed)) if small else None
                    ahead.append((file, task))
                file, task = ahead.popleft()
                assert file.listed
                yield file, _once(await task) if task else self._reading.stream(file.listed)
        finally:
            for _, task in ahead:
                if task:
                    task.cancel()

    async def _drain(self, slot: _Slot) -> None:
        while job := await slot.waiting.get():
            file, block, order = job
            pressed = await slot.press.press(block, order)
            file.lines += pressed.lines
            file.loaded += pressed.loaded
            file.quarantined += len(pressed.bad)
            self.unknown.update(pressed.unknown)
            await self._write(slot, pressed.compressed, pressed.loaded, order.end)
            await self.quarantine.add(file.key, pressed.bad)
        pressed = await slot.press.press(b"", Order((), 1, end=True))
        await self._write(slot, pressed.compressed, 0, end=True)

    async def _write(self, slot: _Slot, compressed: bytes, rows: int, end: bool) -> None:
        if slot.upload is None:
            if not rows:
                return  # the end of a part without rows
            slot.upload = self.parts.open()
        await slot.upload.write(compressed)
        if end:
            await slot.upload.close()
            slot.upload = None

    async def finish(self, files: list[_File]) -> _Prepared:
        """Write what COPY needs besides the parts."""
        touched = Parts(self._staging, f"{self._prefix}files/", range(6))
        if files:
            rows = [
                (file.key, file.listed.etag, file.listed.size, file.lines, file.loaded, file.quarantined)
                if file.listed
                else (file.key, None, None, None, None, None)
                for file in files
            ]
            await touched.write([msgspec.json.Encoder().encode_lines(rows)])
        return _Prepared(
            self._version, files, await touched.finish(), await self.parts.finish(), self._indexed
        )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _part_count(size: int, processes: int, slices: int) -> int:
    """Parts for so many source bytes: a multiple of the slices when there is enough for each, and of the
    processes, each of which fills a part at a time."""
    if size < slices * _PART_LEAST:
        return processes
    step = math.lcm(slices, processes)
    return step * max(1, math.ceil(size / (step * _PART_MOST)))


def _interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; SIGTERM cancels it, so that what it started ends with it.

    An exception raised by a signal handler could end in any callback of the event loop, which would only
    log it.
    """

    async def watched() -> Result:
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    handler = signal.getsignal(signal.SIGTERM)
    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        handler = signal.SIG_IGN
        raise Terminated from None
    finally:
        signal.signal(signal.SIGTERM, handler)
