"""Cuts a stream of bytes into blocks of whole lines, in bounded memory however long a line is."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

# The largest JSON object that COPY reads (Redshift Database Developer Guide,
# copy-usage_notes-copy-from-json), in bytes; a longer line can never be loaded.
LONGEST = 4 * 1024 * 1024

# Lines of a block, about: what is said of each bad one weighs a hundred times the shortest line.
_MOST_LINES = 64 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Piece:
    """A part of one line that is longer than LONGEST; `last` says that the line ends with it."""

    data: bytes
    last: bool


async def blocks(buffers: AsyncIterator[bytes]) -> AsyncIterator[bytes | Piece]:
    """Blocks of whole lines, each about as large as a buffer, and the pieces of lines that are too long.

    Only the stream's last block may lack the newline at its end. A byte order mark before the first line is
    dropped.
    """
    unfinished = b""
    too_long = False
    at_start = True
    async for data in buffers:
        if at_start:
            data = data.removeprefix(_BYTE_ORDER_MARK)
            at_start = False
        if too_long:
            end = data.find(b"\n")
            if end < 0:
                yield Piece(data, last=False)
                continue
            yield Piece(data[:end], last=True)
            data = data[end + 1 :]
            too_long = False
        last = data.rfind(b"\n") + 1
        if last:
            for block in _cut(b"".join((unfinished, memoryview(data)[:last]))):
                yield block
            unfinished = data[last:]
        else:
            unfinished += data
        if len(unfinished) > LONGEST:
            yield Piece(unfinished, last=False)
            unfinished = b""
            too_long = True
    if too_long:
        yield Piece(b"", last=True)
    elif unfinished:
        yield unfinished


def _cut(block: bytes) -> Iterator[bytes]:
    """The block, in pieces of whole lines when it has very many."""
    if block.count(b"\n") <= _MOST_LINES:
        yield block
        return
    start = 0
    while start < len(block):
        # So many bytes have no more lines.
        end = block.rfind(b"\n", start, start + _MOST_LINES) + 1 or block.index(b"\n", start) + 1
        yield block[start:end]
        start = end
