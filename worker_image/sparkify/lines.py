"""Cuts a stream of bytes into blocks of whole lines, in bounded memory however long a line is."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import BytesIO
from operator import itemgetter

# The largest JSON object that COPY reads (Redshift Database Developer Guide,
# copy-usage_notes-copy-from-json), in bytes; a longer line can never be loaded.
LONGEST = 4 * 1024 * 1024

# Lines of a block, about: what is said of each bad one weighs a hundred times the shortest line.
_MOST_LINES = 64 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines, and how many; `plain` says that each begins with the brace of an object."""

    data: bytes
    lines: int
    plain: bool

    @classmethod
    def of(cls, data: bytes) -> "Block":
        # Half the time of count().
        first = bytes(map(itemgetter(0), BytesIO(data)))
        return cls(data, len(first), first.count(b"{") == len(first))

    def has_line_beyond(self, size: int) -> bool:
        """Whether a line has more than `size` bytes, its end included; most lines' ends are not looked at."""
        start = 0
        while len(self.data) - start > size:
            end = self.data.rfind(b"\n", start, start + size) + 1
            if not end:
                return True
            start = end
        return False


@dataclass(frozen=True)
class Piece:
    """A part of one line that is longer than LONGEST; `last` says that the line ends with it."""

    data: bytes
    last: bool


async def blocks(buffers: AsyncIterator[memoryview]) -> AsyncIterator[Block | Piece]:
    """Blocks of whole lines, each about as large as a buffer, and the pieces of lines that are too long.

    Only the stream's last block may lack the newline at its end. A byte order mark before the first line is
    dropped.
    """
    unfinished = b""
    too_long = False
    at_start = True
    async for data in buffers:
        if at_start:
            at_start = False
            if data[: len(_BYTE_ORDER_MARK)] == _BYTE_ORDER_MARK:
                data = data[len(_BYTE_ORDER_MARK) :]
        if too_long:
            piece, newline, rest = bytes(data).partition(b"\n")
            yield Piece(piece, last=bool(newline))
            if not newline:
                continue
            data = memoryview(rest)
            too_long = False
        last = _end_of_lines(data)
        if last:
            for block in _cut(b"".join((unfinished, data[:last]))):
                yield block
            unfinished = bytes(data[last:])
        else:
            unfinished += data
        if len(unfinished) > LONGEST:
            yield Piece(unfinished, last=False)
            unfinished = b""
            too_long = True
    if too_long:
        yield Piece(b"", last=True)
    elif unfinished:
        yield Block.of(unfinished)


def _end_of_lines(data: memoryview) -> int:
    """Where the last whole line ends; not all is copied to find it."""
    size = 4096
    while True:
        tail = bytes(data[-size:])
        if (at := tail.rfind(b"\n")) >= 0:
            return len(data) - len(tail) + at + 1
        if size >= len(data):
            return 0
        size *= 16


def _cut(data: bytes) -> Iterator[Block]:
    """Whole lines as one block, or as several when they are very many."""
    block = Block.of(data)
    if block.lines <= _MOST_LINES:
        yield block
        return
    start = 0
    while start < len(data):
        # So many bytes have no more lines.
        end = data.rfind(b"\n", start, start + _MOST_LINES) + 1 or data.index(b"\n", start) + 1
        yield Block.of(data[start:end])
        start = end
