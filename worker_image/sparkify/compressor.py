"""Compresses rows for COPY, and reads them again."""

from collections.abc import Sequence

import zstandard

from sparkify.errors import PassingError

# Measured on a day of events: level 1 costs a fifth of the work; level 3 costs half as much again and saves
# a fifth of the size. To look back no farther than what a core's cache holds saves a sixth of the work, and
# costs a fiftieth of the size. The checksum has a part refused that is not what was written.
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    1, window_log=17, hash_log=13, write_checksum=True
)


class Compressor:
    """Compresses one part after the other; each is one frame."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)
        self._frame = self._compressor.compressobj()

    def add(self, rows: Sequence[bytes]) -> bytes:
        return b"".join(map(self._frame.compress, rows))

    def end(self) -> bytes:
        """The rest of the part; what is added next belongs to another."""
        rest = self._frame.flush()
        self._frame = self._compressor.compressobj()
        return rest


class DamagedPart(PassingError):
    """A part is not what was written; a stage of the same writes another one."""


class Decompressor:
    """Reads one part from its buffers; `url` is what an error calls it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    def add(self, buffer: memoryview) -> bytes:
        """The next bytes of the rows.

        Raises:
            DamagedPart: the part is not what was written.
        """
        try:
            return self._frame.decompress(buffer)
        except zstandard.ZstdError as error:
            reason = str(error).removeprefix("zstd decompressor error: ")
            raise DamagedPart(
                f"{self._url} is not what was written ({reason}); stage the same again"
            ) from None
