"""Keeps the lines that cannot be staged: their bytes as they were, and an index of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import msgspec

from sparkify.compressor import Compressor
from sparkify.objects import Bucket, Upload
from sparkify.parts import CopySource, Parts
from sparkify.rows import Bad, Problem

_COLUMNS = 11


class Quarantine:
    """The bad lines of one stage, below one prefix.

    `raw-00000` holds their bytes, one after the other, each followed by a newline; a line too long to be held
    in memory has an object of its own. The index has for each line its file, number and reason, and where
    its bytes are.
    """

    def __init__(self, bucket: Bucket, prefix: str, source: str, day: str | None, version: str, run: str):
        self._bucket = bucket
        self._prefix = prefix
        self._first = (source, day)
        self._last = (version, run)
        self._raw: Upload | None = None
        self._uploads: list[Upload] = []
        self._index = Parts(bucket, f"{prefix}index/", range(_COLUMNS))
        self._index_upload: Upload | None = None
        self._compressor = Compressor()
        self._encode = msgspec.json.Encoder().encode_lines
        self._turn = asyncio.Lock()
        self.reasons: Counter[str] = Counter()
        self.examples: list[str] = []

    @property
    def url(self) -> str:
        return self._bucket.location.url(self._prefix)

    @property
    def lines(self) -> int:
        return self.reasons.total()

    async def add(self, file: str, lines: Sequence[Bad]) -> None:
        """Keep bad lines of a file."""
        if not lines:
            return
        async with self._turn:
            if self._raw is None:
                self._raw = self._open_raw()
            url = self._bucket.location.url(self._raw.key)
            index = []
            offset = self._raw.size
            for bad in lines:
                index.append(self._entry(file, bad.line, bad.problem, url, offset, len(bad.raw)))
                offset += len(bad.raw) + 1
            await self._raw.write(b"".join(chain.from_iterable((bad.raw, b"\n") for bad in lines)))
            await self._write_index(index)

    def open_long(self, file: str, line: int) -> "LongLine":
        """Keep one line that comes in pieces."""
        return LongLine(self, file, line, self._open_raw())

    async def add_long(self, file: str, line: int, problem: Problem, raw: Upload) -> None:
        await raw.close()
        url = self._bucket.location.url(raw.key)
        async with self._turn:
            await self._write_index([self._entry(file, line, problem, url, 0, raw.size)])

    async def finish(self) -> CopySource | None:
        """Close what was written; the index for COPY, None when no line was bad."""
        if self._raw is not None:
            await self._raw.close()
        if self._index_upload is not None:
            await self._index_upload.write(self._compressor.end())
            await self._index_upload.close()
        return await self._index.finish()

    async def abort(self) -> None:
        """Give up what is not closed."""
        for upload in self._uploads:
            await upload.abort()
        await self._index.abort()

    def _open_raw(self) -> Upload:
        self._uploads.append(Upload(self._bucket, f"{self._prefix}raw-{len(self._uploads):05}"))
        return self._uploads[-1]

    def _entry(
        self, file: str, line: int, problem: Problem, url: str, offset: int, length: int
    ) -> tuple[object, ...]:
        if problem.reason not in self.reasons:
            self.examples.append(f"{file}:{line} {problem.reason}: {problem.detail}")
        self.reasons[problem.reason] += 1
        return (*self._first, file, line, problem.reason, problem.detail, url, offset, length, *self._last)

    async def _write_index(self, entries: list[tuple[object, ...]]) -> None:
        if self._index_upload is None:
            self._index_upload = self._index.open()
        await self._index_upload.write(self._compressor.add([self._encode(entries)]))


class LongLine:
    """A bad line that is written piece by piece."""

    def __init__(self, quarantine: Quarantine, file: str, line: int, raw: Upload):
        self._quarantine = quarantine
        self._file = file
        self._line = line
        self._raw = raw

    async def write(self, piece: bytes) -> None:
        await self._raw.write(piece)

    async def close(self, longest: int) -> None:
        problem = Problem("size", f"the line has {self._raw.size} bytes, COPY reads {longest}")
        await self._quarantine.add_long(self._file, self._line, problem, self._raw)
