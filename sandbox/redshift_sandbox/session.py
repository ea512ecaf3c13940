"""One client's session: its messages on their way to PostgreSQL, and the answers on their way back.

Most messages pass as they are, so prepared statements, portals and binary results are PostgreSQL's own.
SQL is translated on the way in; errors and command tags are made Redshift's on the way out. What PostgreSQL
has no counterpart of (COPY from S3, TRUNCATE that commits, faults) runs here, between the client's messages,
on the same connection to PostgreSQL and in the same transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pygwire.messages import Close, Describe, ErrorResponse, Execute, NoticeResponse, Parse, Query

from redshift_sandbox.backend import (
    FAILED,
    IDLE,
    IN_BLOCK,
    Backend,
    BackendLost,
    Row,
    cancelled,
    redshift_error,
)
from redshift_sandbox.copy import run_copy
from redshift_sandbox.dialect import Statement, translate
from redshift_sandbox.errors import RedshiftError
from redshift_sandbox.faults import Fault, Faults, Origin, StatementLog
from redshift_sandbox.postgres import Postgres
from redshift_sandbox.s3 import S3Settings
from redshift_sandbox.wire import Peer, ProtocolError, frame

_log = logging.getLogger(__name__)

_CONTROL = re.compile(
    r"\s*call\s+sandbox\s*\.\s*(?P<name>\w+)\s*\(\s*(?:'(?P<text>(?:[^']|'')*)')?\s*\)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)

_CANCEL = re.compile(
    r"\s*select\s+pg_(?:cancel|terminate)_backend\s*\(\s*(?P<process_id>\d+)\s*\)", re.IGNORECASE
)

# Which messages of PostgreSQL end the answer to each message of a client.
_ENDS = {b"P": b"1", b"B": b"2", b"C": b"3", b"D": b"Tn", b"E": b"CIs", b"S": b"Z", b"Q": b"Z"}

# A client may send many messages before it reads; this much of them is sent on at once.
_LARGEST_BATCH = 64 * 1024
_FORWARD_AT = 64 * 1024

# PostgreSQL rejects it whatever the state, which marks an open transaction as failed.
_FAILING_SQL = "this statement fails"


Result = TypeVar("Result")


class Surroundings(Protocol):
    """What a session needs of the server it belongs to."""

    postgres: Postgres
    faults: Faults
    statements: StatementLog
    s3: S3Settings

    async def cancel_session(self, process_id: int, user: str) -> None: ...


@dataclass(slots=True)
class Prepared:
    """A statement as the client wrote it and as PostgreSQL gets it; None when it was refused."""

    sql: str
    statement: Statement | None

    @property
    def kind(self) -> str:
        return self.statement.kind if self.statement is not None else "refused"

    @property
    def is_local(self) -> bool:
        """Whether it runs here instead of passing to PostgreSQL."""
        return self.kind in ("copy", "truncate", "sandbox")


@dataclass(slots=True)
class Execution:
    """A statement that is prepared or runs, from its start to its entry in the log."""

    prepared: Prepared
    started: float
    portal: str = ""
    fault: str | None = None


@dataclass(slots=True)
class Awaited:
    """An answer that PostgreSQL owes to a message of this kind, about this statement if it is about one."""

    kind: bytes
    execution: Execution | None = None


class Dropped(Exception):
    """A fault closed the connection."""


class Session:
    """A client that has signed in, and its connection to PostgreSQL.

    It is also what COPY works with (`copy.CopySession`).
    """

    def __init__(self, around: Surroundings, client: Peer, backend: Backend, origin: Origin) -> None:
        self.origin = origin
        self.user = origin.user
        self.database = origin.database
        self.session_id = origin.connection
        self._around = around
        self._client = client
        self._backend = backend
        self._recorder: Backend | None = None
        self._statements: dict[str, Prepared] = {}
        self._portals: dict[str, Prepared] = {}
        self._suspended: set[str] = set()  # portals whose rows are fetched in parts
        # Messages for PostgreSQL not sent yet, and what is to come back, with what we answer ourselves.
        self._batch = bytearray()
        self._expected: deque[Awaited | bytes] = deque()
        self._flush_wanted = False
        self._skipping = False  # after an error, until the client's Sync
        self._executed_since_ready = False
        self._running: Execution | None = None
        self._local: asyncio.Task[Any] | None = None
        self._is_committing = False  # what ran here
        self._is_alone = False  # a COPY outside of a transaction block, in a block of its own here
        self._abandoned = False
        client.on_lost = self._client_lost
        backend.peer.on_lost = self._backend_lost

    # Life cycle

    async def run(self) -> None:
        """Serve the client until it leaves. An open transaction is then rolled back."""
        try:
            while not self._abandoned:
                if self._flush_wanted and not self._client.has_message():
                    await self._flush()
                message = await self._client.message()
                if message is None or message[0] == b"X":
                    return
                await self._handle(*message)
                if len(self._batch) > _LARGEST_BATCH:
                    await self._flush()
        except BackendLost:
            self._send_error(RedshiftError("57P01", "the connection was ended by the server"), "FATAL")
        except (Dropped, ProtocolError):
            pass
        finally:
            self._backend.peer.on_lost = None
            self._client.on_lost = None
            self._backend.close()
            self._client.close()

    async def cancel(self) -> None:
        """Cancel the statement in flight, also a COPY that waits for S3."""
        if self._is_committing:
            return  # too late, and the client must not be told otherwise
        if self._local is not None:
            self._local.cancel()
        await self._backend.cancel()

    def terminate(self, error: RedshiftError) -> None:
        """Tell the client that the connection ends, and end it."""
        self._send_error(error, "FATAL")
        self._client.close()
        self._give_up()

    def _client_lost(self) -> None:
        # Outside of a transaction block a statement goes on to its end, as a COPY does on Redshift.
        execution = self._running
        if execution is None or execution.prepared.kind == "commit":
            return
        if self._backend.status != IDLE and not self._is_alone:
            self._give_up()

    def _give_up(self) -> None:
        self._abandoned = True
        if self._running is not None:
            self._cancelling = asyncio.ensure_future(self.cancel())

    def _backend_lost(self) -> None:
        if self._running is None:
            # PostgreSQL stops, or somebody ended this session: it has said so in a last message.
            while (message := self._backend.peer.next_message()) is not None:
                self._client.write(frame(*message))
            self._client.close()

    # What the client sends

    async def _handle(self, kind: bytes, body: bytes) -> None:
        if kind == b"S":
            await self._sync()
        elif self._skipping:
            return
        elif kind == b"Q":
            await self._simple_query(Query.decode(memoryview(body)).query_string)
        elif kind == b"P":
            await self._parse(body)
        elif kind == b"B":
            await self._bind(body)
        elif kind == b"D":
            await self._describe(body)
        elif kind == b"E":
            await self._execute(body)
        elif kind == b"C":
            self._close(body)
        elif kind == b"H":
            self._flush_wanted = True
        elif kind not in (b"d", b"c", b"f"):  # left over from a COPY that failed
            self._send_error(
                RedshiftError("08P01", f"invalid frontend message type {kind[0]}"), severity="FATAL"
            )
            raise ProtocolError

    async def _simple_query(self, sql: str) -> None:
        await self._flush()
        try:
            prepared = self._prepare(sql)
        except RedshiftError as error:
            await self._fail(error)
            self._log(Execution(Prepared(sql, None), time.monotonic()), sqlstate=error.sqlstate)
            self._client.write(frame(b"Z", self._backend.status))
            return
        if len(prepared) > 1:
            await self._several(prepared)
        else:
            await self._one(prepared[0])
        self._client.write(frame(b"Z", self._backend.status))
        await self._client.drain()

    async def _several(self, prepared: list[Prepared]) -> None:
        """The statements of one Query are one transaction, unless they begin and end some themselves."""
        controls = {"begin", "commit", "rollback"}
        together = self._backend.status == IDLE and not any(each.kind in controls for each in prepared)
        if together:
            await self._backend.query("begin")
        failed = False
        for each in prepared:
            if failed := not await self._one(each):
                break
        if together:
            try:
                await self._backend.query("rollback" if failed else "commit")
            except RedshiftError as error:
                self._send_error(error)

    async def _one(self, prepared: Prepared) -> bool:
        """Run a statement of a simple Query; False when it failed."""
        execution = Execution(prepared, time.monotonic())
        self._running = execution
        try:
            fault = await self._suffer(execution, self._struck(execution))
            await self._cancel_other(prepared)
            if prepared.is_local:
                tag = await self._run_local(execution)
                if fault is not None:
                    self._drop()
                self._client.write(frame(b"C", tag.encode() + b"\0"))
                return True
            assert prepared.statement is not None
            self._backend.peer.write(Query(prepared.statement.sql).to_wire())
            if fault is not None:
                await self._answer_nobody(execution)
            return await self._relay(deque([Awaited(b"Q", execution)]))
        except RedshiftError as error:
            await self._fail(error, prepared.kind)
            self._log(execution, sqlstate=error.sqlstate)
            return False
        finally:
            self._running = None

    async def _parse(self, body: bytes) -> None:
        message = Parse.decode(memoryview(body))
        try:
            prepared = self._prepare(message.query)
            if len(prepared) > 1:
                raise RedshiftError("42601", "cannot insert multiple commands into a prepared statement")
        except RedshiftError as error:
            await self._fail_extended(error, Execution(Prepared(message.query, None), time.monotonic()))
            return
        (one,) = prepared
        self._statements[message.statement] = one
        if one.is_local:
            self._expected.append(frame(b"1"))
            return
        assert one.statement is not None
        if one.statement.sql != message.query:
            message.query = one.statement.sql
            body = message.encode()
        self._pass(b"P", body, Execution(one, time.monotonic()))

    async def _bind(self, body: bytes) -> None:
        portal, statement = _two_names(body)
        prepared = self._statements.get(statement)
        self._suspended.discard(portal)
        if prepared is not None:
            self._portals[portal] = prepared
        if prepared is not None and prepared.is_local:
            self._expected.append(frame(b"2"))
        else:
            self._pass(b"B", body, Execution(prepared, time.monotonic()) if prepared is not None else None)

    async def _describe(self, body: bytes) -> None:
        message = Describe.decode(memoryview(body))
        known = self._statements if message.kind == "S" else self._portals
        prepared = known.get(message.name)
        if prepared is not None and prepared.is_local:
            no_parameters = frame(b"t", b"\0\0") if message.kind == "S" else b""
            self._expected.append(no_parameters + frame(b"n"))
        else:
            self._pass(b"D", body)

    async def _execute(self, body: bytes) -> None:
        portal = Execute.decode(memoryview(body)).portal
        prepared = self._portals.get(portal)
        if prepared is None or portal in self._suspended:
            self._pass(b"E", body)
            return
        execution = Execution(prepared, time.monotonic(), portal)
        fault = self._struck(execution)
        await self._cancel_other(prepared)
        if fault is None and not prepared.is_local:
            self._pass(b"E", body, execution)
            return
        self._client.muted = fault is not None and fault.takes_the_answer
        if not await self._flush():
            if self._client.muted:
                self._drop()
            return
        self._running = execution
        try:
            fault = await self._suffer(execution, fault)
            if prepared.is_local:
                tag = await self._run_local(execution)
                if fault is not None:
                    self._drop()
                self._expected.append(frame(b"C", tag.encode() + b"\0"))
                return
            if fault is not None:
                self._backend.peer.write(frame(b"E", body) + frame(b"S"))
                await self._answer_nobody(execution)
        except RedshiftError as error:
            await self._fail_extended(error, execution)
            return
        finally:
            self._running = None
        self._pass(b"E", body, execution)

    def _close(self, body: bytes) -> None:
        message = Close.decode(memoryview(body))
        known = self._statements if message.kind == "S" else self._portals
        prepared = known.pop(message.name, None)
        if prepared is not None and prepared.is_local:
            self._expected.append(frame(b"3"))
        else:
            self._pass(b"C", body)

    async def _sync(self) -> None:
        self._skipping = False
        self._pass(b"S", b"")
        await self._flush()
        self._executed_since_ready = False

    def _pass(self, kind: bytes, body: bytes, execution: Execution | None = None) -> None:
        """Put a message into the batch for PostgreSQL."""
        self._batch += frame(kind, body)
        self._expected.append(Awaited(kind, execution))
        if kind == b"E":
            self._executed_since_ready = True

    async def _flush(self) -> bool:
        """Send the batch and forward its answers; False when one was an error."""
        self._flush_wanted = False
        if not self._expected:
            return not self._skipping
        if self._batch:
            last = self._expected[-1]
            if not (isinstance(last, Awaited) and last.kind == b"S"):
                self._batch += frame(b"H")
            self._backend.peer.write(self._batch)
            self._batch = bytearray()
        self._running = next(
            (each.execution for each in self._expected if isinstance(each, Awaited) and each.execution), None
        )
        try:
            return await self._relay(self._expected)
        finally:
            self._running = None

    # What PostgreSQL answers

    async def _relay(self, expected: deque[Awaited | bytes]) -> bool:
        """Forward answers until none is expected any more; False when one was an error."""
        peer, client = self._backend.peer, self._client
        answer = bytearray()
        succeeded = True
        while expected:
            awaited = expected[0]
            if isinstance(awaited, bytes):
                answer += awaited
                expected.popleft()
                continue
            if rows := peer.rows():
                answer += rows
            message = peer.next_message()
            if message is None:
                if answer:
                    client.write(answer)
                    answer = bytearray()
                    await client.drain()
                message = await self._backend.message()
            elif len(answer) > _FORWARD_AT:
                client.write(answer)
                answer = bytearray()
                await client.drain()
            kind, body = message
            execution = awaited.execution
            if kind == b"C":
                body = self._command_complete(body, execution)
            elif kind == b"E":
                succeeded = False
                error = redshift_error(ErrorResponse.decode(memoryview(body)).fields, self.session_id)
                if execution is not None:
                    self._log(execution, sqlstate=error.sqlstate)
                answer += error_frame(error)
                if awaited.kind != b"Q":
                    self._skip_to_sync(expected)
                continue
            elif kind == b"Z":
                self._backend.status = body
            elif kind == b"s" and execution is not None:
                self._suspended.add(execution.portal)
                self._log(execution)
            elif kind == b"G":  # a COPY FROM STDIN that the translation let through
                peer.write(frame(b"f", b"COPY FROM STDIN is not supported\0"))
                continue
            if kind in _ENDS[awaited.kind]:
                expected.popleft()
            if awaited.kind != b"Q" or kind != b"Z":  # whoever sent the Query says when it is ready
                answer += frame(kind, body)
        client.write(answer)
        await client.drain()
        return succeeded

    def _skip_to_sync(self, expected: deque[Awaited | bytes]) -> None:
        while expected:
            each = expected[0]
            if isinstance(each, Awaited) and each.kind == b"S":
                return
            expected.popleft()
        self._skipping = True

    def _command_complete(self, body: bytes, execution: Execution | None) -> bytes:
        tag = body[:-1].decode()
        if execution is not None:
            self._log(execution, tag=tag)
            statement = execution.prepared.statement
            if statement is not None and statement.command_tag is not None:
                return statement.command_tag.encode() + b"\0"
        if tag.startswith("SELECT "):
            return b"SELECT\0"  # PostgreSQL 8.0, and so Redshift, does not count
        return body

    async def _answer_nobody(self, execution: Execution) -> None:
        """Let PostgreSQL finish the statement, then drop the connection instead of answering."""
        kind = b""
        while kind != b"Z":
            kind, _ = await self._backend.message()
        self._log(execution)
        self._drop()

    # Statements

    def _prepare(self, sql: str) -> list[Prepared]:
        """Translate; raises RedshiftError for what the sandbox refuses."""
        try:
            statements = translate(sql)
        except RedshiftError:
            raise
        except Exception as error:
            raise _surprise(error) from error
        if len(statements) == 1:
            return [Prepared(sql, statements[0])]
        return [Prepared(each.original, each) for each in statements]

    def _struck(self, execution: Execution) -> Fault | None:
        if execution.prepared.kind == "sandbox":
            return None
        fault = self._around.faults.strike(execution.prepared.sql, self.origin)
        if fault is not None:
            execution.fault = fault.action
        return fault

    async def _suffer(self, execution: Execution, fault: Fault | None) -> Fault | None:
        """What a fault does before its statement runs; returns the fault if it has more to do after it."""
        if fault is None:
            return None
        if (error := fault.error(self.session_id)) is not None:
            raise error
        if fault.action == "delay":
            await self._interruptible(asyncio.sleep(fault.seconds))
            return None
        if fault.when == "during":
            asyncio.get_running_loop().call_later(fault.seconds, self._drop_if_running, execution)
            return None
        if fault.action == "drop" and fault.when == "before":
            self._log(execution)
            self._drop()
        return fault

    def _drop_if_running(self, execution: Execution) -> None:
        if self._running is execution:
            self._client.abort()

    def _drop(self) -> None:
        self._client.abort()
        raise Dropped

    async def _cancel_other(self, prepared: Prepared) -> None:
        """PostgreSQL's pg_cancel_backend does not reach what another session runs here."""
        assert prepared.statement is not None
        if call := _CANCEL.match(prepared.statement.sql):
            await self._around.cancel_session(int(call["process_id"]), self.user)

    async def _run_local(self, execution: Execution) -> str:
        """Run a statement here; returns its command tag."""
        if self._executed_since_ready:
            await self._backend.query("")  # learn whether a transaction is open
            self._executed_since_ready = False
        try:
            tag = await self._interruptible(self._local_statement(execution.prepared))
        except (RedshiftError, BackendLost):
            raise
        except Exception as error:
            raise _surprise(error) from error
        finally:
            self._is_alone = False
        self._log(execution, tag=tag)
        return tag

    async def _interruptible(self, work: Coroutine[None, None, Result]) -> Result:
        """Do what a cancel request shall end. Raises RedshiftError when one did."""
        task: asyncio.Task[Result] = asyncio.ensure_future(work)
        self._local = task
        try:
            await asyncio.wait([task])
            if task.cancelled():
                raise cancelled(self.session_id)
            return task.result()
        finally:
            self._local = None

    async def _local_statement(self, prepared: Prepared) -> str:
        statement = prepared.statement
        assert statement is not None
        if statement.kind == "sandbox":
            return self._control(prepared.sql)
        if self._backend.status == FAILED:
            raise RedshiftError(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block"
            )
        if statement.kind == "truncate":
            await self._backend.query(statement.sql)
            if self._backend.status == IN_BLOCK:
                await self._commit()
            return "TRUNCATE TABLE"
        self._is_alone = self._backend.status == IDLE
        if self._is_alone:
            await self._backend.query("begin")
        try:
            await run_copy(statement.sql, self, self._around.s3)
        except BaseException:
            if self._is_alone:
                await self._backend.query("rollback")
            raise
        finally:
            if self._recorder is not None:
                self._recorder.close()
                self._recorder = None
        if self._is_alone:
            await self._commit()
        return "COPY"

    async def _commit(self) -> None:
        self._is_committing = True
        try:
            await self._backend.query("commit")
        finally:
            self._is_committing = False

    def _control(self, sql: str) -> str:
        call = _CONTROL.fullmatch(sql)
        name = call["name"].lower() if call else ""
        text = call["text"] if call else None
        if name == "fault" and text is not None:
            self._around.faults.arm(text.replace("''", "'"), self.database)
        elif name == "clear_faults" and text is None:
            self._around.faults.clear(self.database)
        else:
            raise RedshiftError(
                "42883", "the sandbox knows CALL sandbox.fault('{…}') and CALL sandbox.clear_faults() only"
            )
        return "CALL"

    # Errors

    async def _fail(self, error: RedshiftError, kind: str = "") -> None:
        """Report an error of our own; the transaction it happens in fails, as with one of PostgreSQL's."""
        if kind == "commit" and self._backend.status != IDLE:
            await self._backend.query("rollback")
        elif self._backend.status == IN_BLOCK or self._executed_since_ready:
            with contextlib.suppress(RedshiftError):
                await self._backend.query(_FAILING_SQL)
        self._send_error(error)

    async def _fail_extended(self, error: RedshiftError, execution: Execution) -> None:
        if await self._flush():
            await self._fail(error, execution.prepared.kind)
            self._skipping = True
        self._log(execution, sqlstate=error.sqlstate)

    def _send_error(self, error: RedshiftError, severity: str = "ERROR") -> None:
        self._client.write(error_frame(error, severity))

    def _log(self, execution: Execution, tag: str | None = None, sqlstate: str | None = None) -> None:
        self._around.statements.add(
            self.origin,
            execution.prepared.sql,
            time.monotonic() - execution.started,
            tag,
            sqlstate,
            execution.fault,
        )

    # What COPY works with

    async def query(self, sql: str) -> list[Row]:
        """Run a statement in the client's transaction; rows as text. Raises RedshiftError."""
        return await self._backend.query(sql)

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        """COPY … FROM STDIN in the client's transaction; returns the number of rows. Raises RedshiftError."""
        return await self._backend.copy_in(sql, chunks)

    async def record(self, sql: str) -> None:
        """Run a statement apart from the client's transaction, as the owner of the system tables."""
        if self._recorder is None:
            self._recorder = await self._around.postgres.connection(self.database)
        await self._recorder.query(sql)

    def notice(self, message: str) -> None:
        """Send the client a message of severity INFO."""
        fields = {"S": "INFO", "C": "00000", "M": message}
        self._client.write(NoticeResponse(fields).to_wire())


def _surprise(error: Exception) -> RedshiftError:
    """What a client is told of a defect of the sandbox; the traceback goes to the log."""
    _log.exception("a statement failed unexpectedly")
    return RedshiftError("XX000", f"the sandbox failed, its log says where: {type(error).__name__}: {error}")


def error_frame(error: RedshiftError, severity: str = "ERROR") -> bytes:
    fields = {"S": severity, "C": error.sqlstate, "M": error.message}
    if error.detail is not None:
        fields["D"] = error.detail
    if error.hint is not None:
        fields["H"] = error.hint
    return ErrorResponse(fields).to_wire()


def _two_names(body: bytes) -> tuple[str, str]:
    first = body.index(b"\0")
    second = body.index(b"\0", first + 1)
    return body[:first].decode(), body[first + 1 : second].decode()
