"""Keeps how a stage's lines depart from their contract: a row for each file, field and reason."""

import asyncio

import msgspec

from sparkify.compressor import Compressor
from sparkify.objects import Bucket, Upload
from sparkify.parts import CopySource, Parts
from sparkify.rows import MOST_NAMES, OTHERS, Departure, Departures

_COLUMNS = 10


class Drift:
    """The departures of one stage, below one prefix.

    They are written as soon as a file is read, and only a summary is kept.
    """

    def __init__(self, bucket: Bucket, prefix: str, source: str, day: str | None, version: str, run: str):
        self._first = (source, day)
        self._last = (version, run)
        self._parts = Parts(bucket, prefix, range(_COLUMNS))
        self._upload: Upload | None = None
        self._compressor = Compressor()
        self._encode = msgspec.json.Encoder().encode_lines
        self._turn = asyncio.Lock()
        self._summary: dict[tuple[str, str], tuple[str, Departure]] = {}
        self.rows = 0

    async def add(self, file: str, departures: Departures) -> None:
        """Keep those of one file, all of them."""
        if not departures:
            return
        rows = [
            (*self._first, file, *what, *self._last)
            for each in departures.values()
            if (what := (each.field, each.reason, each.lines, each.first_line, each.example))
        ]
        async with self._turn:
            self.rows += len(rows)
            self._sum_up(file, departures)
            if self._upload is None:
                self._upload = self._parts.open()
            await self._upload.write(self._compressor.add([self._encode(rows)]))

    def _sum_up(self, file: str, departures: Departures) -> None:
        for key, each in departures.items():
            known = self._summary.get(key)
            if known is None and len(self._summary) >= MOST_NAMES:
                key = (OTHERS, each.reason)
                known = self._summary.get(key)
            if known is None:
                self._summary[key] = (file, msgspec.structs.replace(each, field=key[0]))
                continue
            first, summed = known
            if file < first:
                first, summed = file, msgspec.structs.replace(each, field=key[0], lines=summed.lines)
            summed.lines += each.lines
            self._summary[key] = (first, summed)

    @property
    def summary(self) -> list[tuple[str, Departure]]:
        """For each field and reason the first file and, with the lines of all files, its departure; most
        lines first."""
        return sorted(self._summary.values(), key=lambda each: (-each[1].lines, each[1].field))

    async def finish(self) -> CopySource | None:
        """Close what was written; the rows for COPY, None when no line departs."""
        if self._upload is not None:
            await self._upload.write(self._compressor.end())
            await self._upload.close()
        return await self._parts.finish()

    async def abort(self) -> None:
        """Give up what is not closed."""
        await self._parts.abort()
