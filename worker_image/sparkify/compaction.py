"""Compacts source files: reads and checks their lines, writes good ones as parts, bad ones to the quarantine.

Memory does not grow with the files: they are streamed, and just a few blocks wait for each process.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import msgspec

from sparkify.drift import Drift
from sparkify.errors import DataError
from sparkify.lines import LONGEST, Block, Piece, blocks
from sparkify.log import Log
from sparkify.objects import Bucket, Object, Upload
from sparkify.parts import CopySource, Parts
from sparkify.press import Order, Pressed
from sparkify.presses import ChildPress, LocalPress, Pressing
from sparkify.quarantine import LongLine, Quarantine
from sparkify.rows import Departure, Departures, merge
from sparkify.settings import Settings
from sparkify.sources import Source

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

# Blocks that wait for each press, so that a pause of the stream does not stop it.
_WAITING = 2
# A line's JSON may take up forty times its size while it is looked at: of lines beyond this many bytes, one
# press at a time is enough.
_LONG = 128 * 1024

_ABORT_SECONDS = 3


@dataclass
class SourceFile:
    """What became of one file's lines; without an object, the file is gone.

    `unfinished` counts its blocks that are being pressed, and one more until it is read to its end.
    """

    key: str
    listed: Object | None
    lines: int = 0
    loaded: int = 0
    quarantined: int = 0
    blank: int = 0
    departures: Departures = field(default_factory=dict)
    unfinished: int = 1


@dataclass
class Compacted:
    """An attempt's objects in S3, ready for COPY."""

    version: str
    files: list[SourceFile]
    touched: CopySource | None = None
    part_lines: CopySource | None = None
    ranges: int = 0
    rows: CopySource | None = None
    quarantine: CopySource | None = None
    drift: CopySource | None = None
    departures: int = 0
    size: int = 0  # of the parts, in bytes

    @property
    def loaded(self) -> int:
        return sum(file.loaded for file in self.files)


@dataclass
class _Range:
    """Lines of a file, first to last, whose good ones are in one part."""

    part: str
    file: str
    first: int
    last: int


@dataclass
class _Slot:
    """One press, what waits for it, and the part that it fills."""

    press: Pressing
    waiting: asyncio.Queue[tuple[SourceFile, Block, Order] | None]
    upload: Upload | None = None
    fed: int = 0
    ended: int = 0


class Compaction:
    """Reads files, presses their lines, and writes parts and quarantine."""

    def __init__(
        self, source: Source, settings: Settings, log: Log, version: str, reading: Bucket, staging: Bucket
    ):
        self._source = source
        self._settings = settings
        self._version = version
        self._reading = reading
        self._staging = staging
        self._prefix = f"{source.place}{version}/"
        self.parts = Parts(staging, f"{self._prefix}rows/", range(source.width))
        day = str(source.day) if source.day else None
        self.quarantine = Quarantine(
            staging, f"quarantine/{self._prefix}", source.name, day, version, log.run
        )
        self.drift = Drift(staging, f"{self._prefix}drift/", source.name, day, version, log.run)
        self._indexed: CopySource | None = None
        self._drifted: CopySource | None = None
        self._ranges: list[_Range] = []

    async def run(self, files: Sequence[SourceFile]) -> None:
        size = sum(file.listed.size for file in files if file.listed)
        processes = self._settings.processes if size >= _LARGE else 1
        parts = _part_count(size, processes, self._settings.slices)
        async with AsyncExitStack() as stack:
            slots = []
            for _ in range(processes):
                press: Pressing = (
                    await ChildPress.start(self._settings.sql, self._source.day)
                    if processes > 1
                    else LocalPress(self._source)
                )
                stack.push_async_callback(press.close)
                slots.append(_Slot(press, asyncio.Queue(maxsize=_WAITING)))
            try:
                async with asyncio.TaskGroup() as group:
                    for slot in slots:
                        group.create_task(self._drain(slot, group))
                    await self._feed(files, slots, size / parts, parts // processes)
            except BaseException as failure:
                await self._abort()
                if isinstance(failure, BaseExceptionGroup):
                    raise failure.exceptions[0] from None
                raise
        self._indexed = await self.quarantine.finish()
        self._drifted = await self.drift.finish()

    async def _abort(self) -> None:
        # Whatever cannot be given up now is for the bucket's rule on incomplete uploads.
        with suppress(Exception):
            async with asyncio.timeout(_ABORT_SECONDS):
                await self.parts.abort()
                await self.quarantine.abort()
                await self.drift.abort()

    async def _feed(
        self, files: Sequence[SourceFile], slots: Sequence[_Slot], part_size: float, parts: int
    ) -> None:
        """Hand each block to the slot that had least, but those with long lines to the first.

        A slot's parts but the last have `part_size` source bytes.
        """
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
                long_lines = block.has_line_beyond(_LONG)
                slot = slots[0] if long_lines else min(slots, key=lambda slot: slot.fed)
                slot.fed += len(block.data)
                end = slot.fed >= part_size * (slot.ended + 1) and slot.ended < parts - 1
                slot.ended += end
                file.unfinished += 1
                await slot.waiting.put((file, block, Order(lineage, line, end)))
                line += block.lines
            await self._finish(file)
        for slot in slots:
            await slot.waiting.put(None)

    async def _contents(
        self, files: Sequence[SourceFile]
    ) -> AsyncIterator[tuple[SourceFile, AsyncIterator[memoryview]]]:
        """The files that are there, in order; small ones are read ahead."""
        ahead: deque[tuple[SourceFile, asyncio.Task[bytes] | None]] = deque()
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

    async def _drain(self, slot: _Slot, group: asyncio.TaskGroup) -> None:
        while job := await slot.waiting.get():
            file, block, order = job
            pressed = await slot.press.press(block, order)
            file.lines += pressed.lines
            file.loaded += pressed.loaded
            file.blank += pressed.blank
            file.quarantined += len(pressed.bad)
            self._stop_where_it_fails(file, pressed.departures)
            merge(file.departures, pressed.departures)
            part = await self._write(slot, pressed, order.end, group)
            if part and pressed.loaded:
                self._travel(part, file.key, order.first_line, order.first_line + block.lines - 1)
            await self.quarantine.add(file.key, pressed.bad)
            await self._finish(file)
        pressed = await slot.press.press(Block.of(b""), Order((), 1, end=True))
        await self._write(slot, pressed, True, group)

    def _stop_where_it_fails(self, file: SourceFile, departures: Sequence[Departure]) -> None:
        failing = [each for each in departures if each.action == "fail"]
        if failing:
            first = min(failing, key=lambda each: each.first_line)
            example = f" (value {first.example})" if first.example is not None else ""
            raise DataError(
                f"{file.key}:{first.first_line} {first.reason}: {first.detail}{example}; "
                f"sql/staging/{self._source.name}/contract.toml says fail; staging is as it was"
            )

    async def _finish(self, file: SourceFile) -> None:
        """Note that one block of a file, or reading it, is done; after the last keep how its lines depart."""
        file.unfinished -= 1
        if not file.unfinished:
            await self.drift.add(file.key, file.departures)
            file.departures = {}

    async def _write(self, slot: _Slot, pressed: Pressed, end: bool, group: asyncio.TaskGroup) -> str | None:
        """Add to the slot's part; its key, None where there is neither a part nor a row to begin one."""
        if slot.upload is None:
            if not pressed.loaded:
                return None  # the end of a part without rows
            slot.upload = self.parts.open()
        key = slot.upload.key
        await slot.upload.write(pressed.compressed)
        if end:
            group.create_task(slot.upload.close())  # the next part does not wait for it
            slot.upload = None
        return key

    def _travel(self, part: str, file: str, first: int, last: int) -> None:
        """Note in which part a file's lines are."""
        before = self._ranges[-1] if self._ranges else None
        if before and (before.part, before.file, before.last + 1) == (part, file, first):
            before.last = last
        else:
            self._ranges.append(_Range(part, file, first, last))

    async def finish(self, files: list[SourceFile]) -> Compacted:
        """Write what COPY needs besides the parts."""
        rows = [
            (file.key, each.etag, each.size, file.lines, file.loaded, file.quarantined, file.blank)
            if (each := file.listed)
            else (file.key, *[None] * 6)
            for file in files
        ]
        day = str(self._source.day) if self._source.day else None
        url = self._staging.location.url
        ranges = [
            (self._source.name, day, each.file, each.first, each.last, url(each.part), self._version)
            for each in self._ranges
        ]
        return Compacted(
            self._version,
            files,
            await self._written("files/", 7, rows),
            await self._written("lines/", 7, ranges),
            len(ranges),
            await self.parts.finish(),
            self._indexed,
            self._drifted,
            self.drift.rows,
            self.parts.size,
        )

    async def _written(
        self, folder: str, columns: int, rows: Sequence[tuple[object, ...]]
    ) -> CopySource | None:
        parts = Parts(self._staging, self._prefix + folder, range(columns))
        if rows:
            await parts.write([msgspec.json.Encoder().encode_lines(rows)])
        return await parts.finish()


async def _once(data: bytes) -> AsyncIterator[memoryview]:
    yield memoryview(data)


def _part_count(size: int, processes: int, slices: int) -> int:
    """Parts for so many source bytes: a multiple of the slices when there is enough for each, and of the
    processes, each of which fills a part at a time."""
    if size < slices * _PART_LEAST:
        return processes
    step = math.lcm(slices, processes)
    return step * max(1, math.ceil(size / (step * _PART_MOST)))
