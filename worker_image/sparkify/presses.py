"""The presses of a stage: in this process, or in several when a day is large."""

import asyncio
import mmap
import os
import struct
import sys
from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec

from sparkify.errors import PassingError
from sparkify.lines import Block
from sparkify.press import BLOCK, Order, Press, Pressed
from sparkify.sources import Source


class Pressing(Protocol):
    async def press(self, block: Block, order: Order) -> Pressed: ...

    async def close(self) -> None: ...


class LocalPress:
    """Presses in this process."""

    def __init__(self, source: Source):
        self._press = Press(source)

    async def press(self, block: Block, order: Order) -> Pressed:
        return self._press.press(block, order)

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
    async def start(cls, sql: Path, day: date | None) -> "ChildPress":
        descriptor = os.memfd_create("sparkify")
        try:
            os.ftruncate(descriptor, BLOCK)
            memory = mmap.mmap(descriptor, BLOCK)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sparkify.press",
                str(descriptor),
                str(sql),
                day.isoformat() if day else "",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=[descriptor],
                limit=BLOCK,
            )
        finally:
            os.close(descriptor)
        return cls(process, memory)

    async def press(self, block: Block, order: Order) -> Pressed:
        assert self._process.stdin
        assert self._process.stdout
        order.length, order.lines, order.plain = len(block.data), block.lines, block.plain
        self._memory[: order.length] = block.data
        message = self._encode(order)
        try:
            self._process.stdin.write(struct.pack("<Q", len(message)) + message)
            (length,) = struct.unpack("<Q", await self._process.stdout.readexactly(8))
            return self._decode(await self._process.stdout.readexactly(length))
        except (EOFError, OSError) as error:
            code = await self._process.wait()
            raise PassingError(
                f"a process that parses lines ended with code {code}; if memory was short, "
                "give the step more, or lower SPARKIFY_PROCESSES"
            ) from error

    async def close(self) -> None:
        """End the process, at once."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._memory.close()
