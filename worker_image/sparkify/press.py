"""Presses blocks of lines into compressed rows.

`python -m sparkify.press` is a process that does so for a parent (sparkify.presses): blocks reach it through
shared memory, orders and results through its standard input and output. It ends when its standard input does,
so it never outlives its parent. It imports little, because several of them share the memory of one pod.
"""

import gc
import mmap
import signal
import struct
import sys
from datetime import date
from pathlib import Path
from typing import BinaryIO

import msgspec

from sparkify import sources
from sparkify.compressor import Compressor
from sparkify.lines import LONGEST, Block
from sparkify.rows import Bad, Departure, Parser
from sparkify.sources import Source

# A block is at most one buffer of the stream beyond the longest line that is held whole.
BLOCK = LONGEST + 4 * 1024 * 1024


class Order(msgspec.Struct, array_like=True):
    """What to press: a block of a file whose first line has the number `first_line`; `end` ends the part
    after it.

    `length`, `lines` and `plain` describe the block to a process that finds its bytes in shared memory.
    """

    lineage: tuple[str, ...]
    first_line: int
    end: bool
    length: int = 0
    lines: int = 0
    plain: bool = False


class Pressed(msgspec.Struct, array_like=True):
    """What became of a block: compressed rows, counts, bad lines, departures from the contract."""

    compressed: bytes
    lines: int
    loaded: int
    blank: int
    bad: list[Bad]
    departures: list[Departure]


class Press:
    """Presses in this process; what it adds to a part depends on the blocks before."""

    def __init__(self, source: Source):
        self._parser = Parser(source.contract, source.rules)
        self._compressor = Compressor()

    def press(self, block: Block, order: Order) -> Pressed:
        parsed = self._parser.parse(block, order.lineage, order.first_line)
        compressed = self._compressor.add(parsed.rows)
        if order.end:
            compressed += self._compressor.end()
        return Pressed(
            compressed,
            parsed.lines,
            parsed.loaded,
            parsed.blank,
            parsed.bad,
            list(parsed.departures.values()),
        )


def _serve(memory: mmap.mmap, press: Press, orders: BinaryIO, results: BinaryIO) -> None:
    decode = msgspec.msgpack.Decoder(Order).decode
    encode = msgspec.msgpack.Encoder().encode
    while header := orders.read(8):
        order = decode(orders.read(struct.unpack("<Q", header)[0]))
        block = Block(memory[: order.length], order.lines, order.plain)
        message = encode(press.press(block, order))
        results.write(struct.pack("<Q", len(message)) + message)
        results.flush()


def main() -> None:
    """Serve one parent until its end of the pipe is closed."""
    # A signal of the terminal reaches the whole group; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing here makes cycles, and a collection looks at every record.
    gc.disable()
    descriptor, sql, day = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    source = sources.events(sql, date.fromisoformat(day)) if day else sources.songs(sql)
    _serve(mmap.mmap(descriptor, BLOCK), Press(source), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
