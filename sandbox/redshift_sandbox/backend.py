"""A connection to PostgreSQL, on which the sandbox itself runs statements."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from struct import Struct

from pygwire.messages import CancelRequest, CopyFail, DataRow, ErrorResponse, Query, StartupMessage

from redshift_sandbox.errors import RedshiftError
from redshift_sandbox.wire import Peer, frame

IDLE, IN_BLOCK, FAILED = b"I", b"T", b"E"

# Redshift's name for the user that owns its system catalogs; nobody can sign in as this one.
OWNER = "rdsdb"

Row = tuple[str | None, ...]

_KEY_DATA = Struct("!I")
_COPY_CHUNK = 128 * 1024
_HEARTBEAT_SECONDS = 0.2


class BackendLost(Exception):
    """PostgreSQL closed the connection."""


class Backend:
    """PostgreSQL's end of a connection, with what the protocol says of its state.

    `status` is that of the last ReadyForQuery: IDLE, IN_BLOCK or FAILED.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.peer = Peer()
        self.status = IDLE
        self.process_id = 0
        self.secret_key = b""

    async def open(self) -> None:
        """Connect; nothing is sent yet. Raises OSError."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self.peer, str(self.socket))

    async def sign_in(self, database: str, user: str = OWNER) -> None:
        """Start a session of a user who needs no password. Raises RedshiftError and BackendLost."""
        await self.open()
        self.peer.write(StartupMessage({"user": user, "database": database}).to_wire())
        await self._settle()

    def key_data(self, body: bytes) -> None:
        """Keep what a cancel request needs, from a BackendKeyData message."""
        (self.process_id,) = _KEY_DATA.unpack_from(body)
        self.secret_key = body[4:]

    async def message(self) -> tuple[bytes, bytes]:
        """The next message. Raises BackendLost."""
        message = await self.peer.message()
        if message is None:
            raise BackendLost
        return message

    async def query(self, sql: str) -> list[Row]:
        """Run statements and return the rows as text. Raises RedshiftError and BackendLost.

        A task that is cancelled meanwhile cancels the statement, and is cancelled when it has ended.
        """
        self.peer.write(Query(sql).to_wire())
        rows, _ = await self._settle()
        return rows

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        """Run a COPY … FROM STDIN with these chunks as its input; returns the number of rows.

        Raises RedshiftError, BackendLost, and whatever `chunks` raises, after the COPY has failed.
        """
        self.peer.write(Query(sql).to_wire())
        kind, body = b"N", b""
        cancellation: asyncio.CancelledError | None = None
        while kind in b"NS":
            try:
                kind, body = await self.message()
            except asyncio.CancelledError as error:
                # PostgreSQL may just have begun to wait for input: it would take nothing else for an answer.
                cancellation = error
                await self.cancel()
        if kind != b"G":
            await self._settle((kind, body), failure_expected=cancellation is not None)
            raise cancellation or AssertionError(f"not a COPY … FROM STDIN: {sql}")
        try:
            if cancellation is not None:
                raise cancellation
            async with aclosing(self._with_heartbeat(chunks)) as steady:
                async for chunk in steady:
                    for start in range(0, len(chunk), _COPY_CHUNK):
                        self.peer.write(frame(b"d", chunk[start : start + _COPY_CHUNK]))
                        await self.peer.drain()
                    if self.peer.next_kind() == b"E":
                        break  # what is left would be thrown away
        except BaseException:
            self.peer.write(CopyFail("given up").to_wire())
            await self._settle(failure_expected=True)
            raise
        self.peer.write(frame(b"c"))
        _, tag = await self._settle()
        return int(tag.removeprefix("COPY "))

    async def _with_heartbeat(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The chunks; while the next is awaited, PostgreSQL gets empty input.

        A statement that waits for input notices only with the next piece of it that it was cancelled.
        """
        upcoming: asyncio.Future[bytes] | None = None
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(anext(chunks))
                done, _ = await asyncio.wait([upcoming], timeout=_HEARTBEAT_SECONDS)
                if not done:
                    self.peer.write(frame(b"d"))
                    if self.peer.next_kind() == b"E":
                        return
                    continue
                try:
                    chunk = upcoming.result()
                except StopAsyncIteration:
                    return
                upcoming = None
                yield chunk
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.wait([upcoming])

    async def cancel(self) -> None:
        """Ask PostgreSQL to cancel what runs here; returns once it has been told."""
        peer = Peer()
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: peer, str(self.socket))
        except OSError:
            return
        peer.write(CancelRequest(self.process_id, self.secret_key).to_wire())
        while await peer.startup() is not None:
            pass
        peer.close()

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        self.peer.write(frame(b"X"))
        self.peer.close()

    async def _settle(
        self, first: tuple[bytes, bytes] | None = None, *, failure_expected: bool = False
    ) -> tuple[list[Row], str]:
        """Read up to ReadyForQuery, whatever happens: what is left would be taken for the next answer."""
        rows: list[Row] = []
        tag = ""
        error: RedshiftError | None = None
        cancellation: asyncio.CancelledError | None = None
        while True:
            try:
                kind, body = first or await self.message()
            except asyncio.CancelledError as error_of_task:
                cancellation = error_of_task
                await self.cancel()
                continue
            first = None
            if kind == b"D":
                columns = DataRow.decode(memoryview(body)).columns
                rows.append(tuple(None if column is None else str(column, "utf-8") for column in columns))
            elif kind == b"C":
                tag = body[:-1].decode()
            elif kind == b"E":
                fields = ErrorResponse.decode(memoryview(body)).fields
                error = redshift_error(fields, self.process_id)
                if fields["S"] == "FATAL":
                    break
            elif kind == b"K":
                self.key_data(body)
            elif kind == b"Z":
                self.status = body
                break
        if cancellation is not None:
            raise cancellation
        if error is not None and not failure_expected:
            raise error
        return rows, tag


_KIND = re.compile(r"((?:permission denied for|must be owner of) )(?:table|view)\b")


def redshift_error(fields: dict[str, str], process_id: int) -> RedshiftError:
    """An error of PostgreSQL, from the session with this process, as Redshift reports it."""
    sqlstate, message, detail = fields["C"], fields["M"], fields.get("D")
    if sqlstate == "40001":
        # A write conflict under SNAPSHOT isolation. Redshift gives it the SQLSTATE of an internal error.
        return conflict()
    if message.startswith("MERGE command cannot affect row a second time"):
        return RedshiftError("XX000", "Found multiple matches to update the same tuple.")  # r_MERGE
    if sqlstate == "57014":
        return cancelled(process_id)
    if sqlstate == "53100":
        return RedshiftError("53100", "Disk Full", message)
    if sqlstate == "42501":
        # What PostgreSQL calls by its kind since version 11 was a relation to all versions before.
        return RedshiftError(sqlstate, _KIND.sub(r"\1relation", message), detail)
    if sqlstate == "28P01":
        # PostgreSQL 8.0, which Redshift comes from, had no SQLSTATE for a wrong password alone.
        return RedshiftError("28000", message, detail)
    return RedshiftError(sqlstate, message, detail, fields.get("H"))


def conflict() -> RedshiftError:
    """Two transactions changed the same rows: what Redshift raises under SNAPSHOT isolation."""
    return RedshiftError("XX000", "could not complete because of conflict with concurrent transaction")


def serialization_failure(process_id: int) -> RedshiftError:
    """Error 1023: what Redshift raises under SERIALIZABLE isolation."""
    return RedshiftError(
        "XX000",
        "1023",
        "Serializable isolation violation on table - 100263, "
        f"transactions forming the cycle are: 1876, 1928 (pid:{process_id})",
    )


def cancelled(process_id: int) -> RedshiftError:
    """A statement was cancelled, by request or because it took longer than statement_timeout."""
    return RedshiftError("57014", f"Query ({process_id}) cancelled on user's request")
