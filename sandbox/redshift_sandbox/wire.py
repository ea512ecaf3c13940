"""One end of a connection that speaks PostgreSQL's protocol, version 3: frames and flow control.

What the frames mean is left to the session; their contents are encoded and decoded with pygwire.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from struct import Struct
from typing import cast

_HEADER = Struct("!cI")
_LENGTH = Struct("!I")

# Reading stops while this much waits to be handled, so that a large result never piles up here.
_READ_AHEAD = 256 * 1024
_WRITE_BEHIND = 256 * 1024
# Redshift takes statements of up to 16 MB (Redshift Database Developer Guide, c_redshift-sql).
_LARGEST_FRAME = 64 * 1024 * 1024
_LARGEST_STARTUP = 10_000

DATA_ROW = b"D"


class ProtocolError(Exception):
    """What came is not a frame of the protocol; the connection cannot go on."""


class Peer(asyncio.Protocol):
    """A connection's other end: whole frames in, bytes out.

    `on_lost` is called once when the connection is gone, also while nobody reads from it.
    """

    def __init__(self, on_lost: Callable[[], None] | None = None) -> None:
        self.on_lost = on_lost
        self.lost = False
        self.muted = False
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._reading_paused = False
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(_WRITE_BEHIND)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._readable is not None:
            _wake(self._readable)
        elif len(self._buffer) > _READ_AHEAD and self._transport is not None:
            self._transport.pause_reading()
            self._reading_paused = True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        _wake(self._readable)
        _wake(self._writable)
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        if self._writable is None or self._writable.done():
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _wake(self._writable)

    # Reading

    async def message(self) -> tuple[bytes, bytes] | None:
        """The next frame, as its kind and its body; None once the connection is gone and all is read."""
        while (message := self.next_message()) is None:
            if not await self._more():
                return None
        return message

    def next_message(self) -> tuple[bytes, bytes] | None:
        """The next frame if all of it is here."""
        end = self._frame_end()
        if end is None:
            return None
        kind, body = bytes(self._buffer[:1]), bytes(self._buffer[5:end])
        del self._buffer[:end]
        return kind, body

    def has_message(self) -> bool:
        return self._frame_end() is not None

    def next_kind(self) -> bytes | None:
        """The kind of the next frame if all of it is here; the frame stays."""
        return None if self._frame_end() is None else bytes(self._buffer[:1])

    def rows(self) -> bytes:
        """The data rows at the front, whole frames as they came; empty when something else is next."""
        buffer, end, available = self._buffer, 0, len(self._buffer)
        while available - end >= 5 and buffer[end] == DATA_ROW[0]:
            after = end + 1 + _LENGTH.unpack_from(buffer, end + 1)[0]
            if after > available:
                break
            end = after
        if end == 0:
            return b""
        with memoryview(buffer) as view:
            rows = bytes(view[:end])
        del buffer[:end]
        return rows

    async def startup(self) -> bytes | None:
        """A packet without a kind, as a connection begins with; None when the client leaves first."""
        while True:
            if len(self._buffer) >= 4:
                (length,) = _LENGTH.unpack_from(self._buffer)
                if not 8 <= length <= _LARGEST_STARTUP:
                    raise ProtocolError(f"a start-up packet of {length} bytes")
                if len(self._buffer) >= length:
                    packet = bytes(self._buffer[4:length])
                    del self._buffer[:length]
                    return packet
            if not await self._more():
                return None

    def _frame_end(self) -> int | None:
        if len(self._buffer) < 5:
            return None
        kind, length = _HEADER.unpack_from(self._buffer)
        if not 4 <= length <= _LARGEST_FRAME:
            raise ProtocolError(f"a message {kind!r} of {length} bytes")
        end: int = 1 + length
        return end if end <= len(self._buffer) else None

    async def _more(self) -> bool:
        if self.lost:
            return False
        if self._reading_paused and self._transport is not None:
            self._transport.resume_reading()
            self._reading_paused = False
        self._readable = asyncio.get_running_loop().create_future()
        try:
            await self._readable
        finally:
            self._readable = None
        return True

    # Writing

    def write(self, data: bytes | bytearray) -> None:
        """Send without waiting; what is sent to a connection that is gone or muted is lost."""
        if self._transport is not None and not self.lost and not self.muted:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the other end has taken most of what was written."""
        if self._writable is not None and not self.lost:
            await self._writable

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Become the server of a TLS connection. Raises OSError when the handshake fails."""
        if self._buffer:
            raise ProtocolError("data before the TLS handshake")
        assert self._transport is not None
        transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_side=True
        )
        if transport is None:
            raise ConnectionResetError("the client left during the TLS handshake")
        self._transport = transport
        self._transport.set_write_buffer_limits(_WRITE_BEHIND)

    def close(self) -> None:
        """Close once everything written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what is not sent yet is lost."""
        if self._transport is not None:
            self._transport.abort()


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """One message of the protocol."""
    return _HEADER.pack(kind, len(body) + 4) + body


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
