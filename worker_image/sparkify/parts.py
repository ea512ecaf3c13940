"""Rows in S3 for COPY: compressed parts, their manifest and their JSONPaths."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from sparkify.compressor import Compressor, Decompressor
from sparkify.objects import Bucket, Object, Upload


@dataclass(frozen=True)
class CopySource:
    """What a COPY reads: the URLs of a manifest and of its parts' JSONPaths."""

    manifest: str
    jsonpaths: str


class Parts:
    """The parts of one table's rows, below one prefix."""

    def __init__(self, bucket: Bucket, prefix: str, columns: Sequence[int]):
        """`columns` has for each column of the COPY its position in a row's array."""
        self._bucket = bucket
        self._prefix = prefix
        self._columns = columns
        self._uploads: list[Upload] = []

    def open(self) -> Upload:
        """The next part, to be written and closed."""
        upload = Upload(self._bucket, f"{self._prefix}part-{len(self._uploads):05}.zst")
        self._uploads.append(upload)
        return upload

    async def write(self, rows: Sequence[bytes]) -> None:
        """Write one part from rows that are at hand."""
        compressor = Compressor()
        upload = self.open()
        await upload.write(compressor.add(rows) + compressor.end())
        await upload.close()

    async def abort(self) -> None:
        """Give up what is not closed."""
        for upload in self._uploads:
            await upload.abort()

    async def discard(self) -> None:
        """Delete the closed parts."""
        await self._bucket.delete([upload.key for upload in self._uploads])

    @property
    def count(self) -> int:
        return len(self._uploads)

    @property
    def size(self) -> int:
        """Bytes of all parts, compressed."""
        return sum(upload.size for upload in self._uploads)

    async def finish(self) -> CopySource | None:
        """Write the manifest and the JSONPaths of the closed parts; None when there is no part."""
        if not self._uploads:
            return None
        location = self._bucket.location
        entries = [
            {
                "url": location.url(upload.key),
                "mandatory": True,
                "meta": {"content_length": upload.size},
            }
            for upload in self._uploads
        ]
        manifest, jsonpaths = f"{self._prefix}manifest.json", f"{self._prefix}jsonpaths.json"
        await self._bucket.put(
            jsonpaths, msgspec.json.encode({"jsonpaths": [f"$[{n}]" for n in self._columns]})
        )
        await self._bucket.put(manifest, msgspec.json.encode({"entries": entries}))
        return CopySource(location.url(manifest), location.url(jsonpaths))


async def rows(bucket: Bucket, listed: Sequence[Object]) -> AsyncIterator[bytes]:
    """The rows of parts, one after the other: each a JSON array with its line's end.

    Raises:
        DamagedPart: one is not what was written.
    """
    for part in listed:
        decompressor = Decompressor(bucket.location.url(part.key))
        rest = b""
        async for buffer in bucket.stream(part):
            *whole, rest = (rest + decompressor.add(buffer)).split(b"\n")
            for row in whole:
                yield row + b"\n"
