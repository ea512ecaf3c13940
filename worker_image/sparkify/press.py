"""Presses blocks of lines into compressed rows: in this process, or in several when a day is large.

A child process is `python -m sparkify.press`; blocks reach it through shared memory, orders and results
through its standard input and output. It ends when its standard input does, so it never outlives its parent.
"""

import asyncio
import gc
import mmap
import os
import signal
import struct
import sys
from datetime import date
from typing import BinaryIO, Protocol

import msgspec

from sparkify.lines import LONGEST
from sparkify.parts import Compressor
from sparkify.rows import Bad, Parser, Rules

# A block is at most one buffer of the stream beyond the longest line that is held whole.
_BLOCK = LONGEST + 4 * 1024 * 1024


class Order(msgspec.Struct, array_like=True):
    """What to press: a block of whole lines of a file; `end` ends the part after it.

    `first_line` is the number of the block's first line; without it, the block goes on where the last ended.
    """

    lineage: tuple[str, ...]
    first_line: int | None
    end: bool
    length: int = 0


class Pressed(msgspec.Struct, array_like=True):
    """What became of a block: compressed rows, counts, bad lines, lines that have unknown fields by name."""

    compressed: bytes
    lines: int
    loaded: int
    next_line: int
    bad: list[Bad]
    unknown: dict[str, int]


class Press(Protocol):
    async def press(self, block: bytes, order: Order) -> Pressed: ...

    async def close(self) -> None: ...


class LocalPress:
    """Presses in this process."""

    def __init__(self, rules: Rules):
        self._parser = Parser(rules)
        self._compressor = Compressor()
        self._next_line = 1

    async def press(self, block: bytes, order: Order) -> Pressed:
        return self.now(block, order)

    def now(self, block: bytes, order: Order) -> Pressed:
        parsed = self._parser.parse(block, order.lineage, order.first_line or self._next_line)
        self._next_line = parsed.next_line
        compressed = self._compressor.add(parsed.rows)
        if order.end:
            compressed += self._compressor.end()
        return Pressed(compressed, parsed.lines, parsed.loaded, parsed.next_line, parsed.bad, parsed.unknown)

    async def close(self) -> None:
        pass


class ChildPress:
    """Presses in a child process."""

    def __init__(self, process: asyncio.subprocess.Process, memory: mmap.mmap):
        self._process = process
        self._memory = memory
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Pressed).decode

    @classmethod
    async def start(cls, day: date | None) -> "ChildPress":
        descriptor = os.memfd_create("sparkify")
        try:
            os.ftruncate(descriptor, _BLOCK)
            memory = mmap.mmap(descriptor, _BLOCK)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sparkify.press",
                str(descriptor),
                day.isoformat() if day else "",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=[descriptor],
                limit=_BLOCK,
            )
        finally:
            os.close(descriptor)
        return cls(process, memory)

    async def press(self, block: bytes, order: Order) -> Pressed:
        assert self._process.stdin
        assert self._process.stdout
        self._memory[: len(block)] = block
        order.length = len(block)
        message = self._encode(order)
        self._process.stdin.write(struct.pack("<Q", len(message)) + message)
        (length,) = struct.unpack("<Q", await self._process.stdout.readexactly(8))
        return self._decode(await self._process.stdout.readexactly(length))

    async def close(self) -> None:
        """End the process, at once."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._memory.close()


def _serve(memory: mmap.mmap, press: LocalPress, orders: BinaryIO, results: BinaryIO) -> None:
    decode = msgspec.msgpack.Decoder(Order).decode
    encode = msgspec.msgpack.Encoder().encode
    while header := orders.read(8):
        order = decode(orders.read(struct.unpack("<Q", header)[0]))
        message = encode(press.now(memory[: order.length], order))
        results.write(struct.pack("<Q", len(message)) + message)
        results.flush()


def main() -> None:
    """Serve one parent until its end of the pipe is closed."""
    from sparkify.events import EventRules
    from sparkify.songs import SongRules

    # A signal of the terminal reaches the whole group; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing here makes cycles, and a collection looks at every record.
    gc.disable()
    descriptor, day = int(sys.argv[1]), sys.argv[2]
    rules: Rules = EventRules(date.fromisoformat(day)) if day else SongRules()
    _serve(mmap.mmap(descriptor, _BLOCK), LocalPress(rules), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
