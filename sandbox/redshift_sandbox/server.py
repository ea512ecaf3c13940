"""The endpoint that clients connect to: start-up packets, TLS, authentication, cancel requests."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from struct import Struct

from pygwire.messages import (
    CancelRequest,
    ErrorResponse,
    NegotiateProtocolVersion,
    ParameterStatus,
    StartupMessage,
)

from redshift_sandbox.backend import OWNER, Backend, BackendLost, redshift_error
from redshift_sandbox.errors import RedshiftError, SandboxError
from redshift_sandbox.faults import Faults, Origin, StatementLog
from redshift_sandbox.postgres import Postgres
from redshift_sandbox.s3 import S3Settings
from redshift_sandbox.session import Session, error_frame
from redshift_sandbox.wire import Peer, ProtocolError, frame

_log = logging.getLogger(__name__)

_CODE = Struct("!I")
_PROTOCOL_3_0 = 3 << 16
_CANCEL_REQUEST = 80877102
_SSL_REQUEST = 80877103
_GSSENC_REQUEST = 80877104

_SIGN_IN_SECONDS = 60
_STOP_SECONDS = 5
_BACKLOG = 512

# What PostgreSQL understands of a start-up packet. Redshift's drivers send more, such as
# client_protocol_version and driver_version, which PostgreSQL would refuse.
_PASSED_PARAMETERS = frozenset({
    "application_name", "client_encoding", "datestyle", "timezone", "extra_float_digits", "intervalstyle",
    "options", "search_path", "statement_timeout",
})  # fmt: skip

# Redshift reports the PostgreSQL version it descends from; drivers choose their ways by it. The protocol
# of results is the base one: the later ones add Redshift's own binary NUMERIC, which carries no scale of
# its own, so PostgreSQL's unconstrained NUMERIC would have none.
_PARAMETERS = {"server_version": "8.0.2", "server_protocol_version": "0"}


class Server:
    """Accepts clients and keeps their sessions. It is what a session knows of its surroundings."""

    def __init__(
        self,
        postgres: Postgres,
        tls: ssl.SSLContext,
        s3: S3Settings,
        faults: Faults,
        statements: StatementLog,
    ) -> None:
        self.postgres = postgres
        self.s3 = s3
        self.faults = faults
        self.statements = statements
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: dict[tuple[int, bytes], Session] = {}

    async def listen(self, host: str, port: int) -> int:
        """Open the port, 0 for any that is free; returns it. Raises SandboxError when it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(lambda: _Client(self), host, port, backlog=_BACKLOG)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise SandboxError(f"cannot listen on {host} port {port}: {reason}") from None
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """End every session and close the port."""
        if self._listener is not None:
            self._listener.close()
        for session in list(self._sessions.values()):
            session.terminate(RedshiftError("57P01", "terminating connection due to administrator command"))
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in left:
                task.cancel()

    def accept(self, client: Peer) -> None:
        """Serve a client that has just connected."""
        task = asyncio.ensure_future(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel_session(self, process_id: int, user: str) -> None:
        """Cancel what a session of the same user runs, if there is one."""
        for (each, _), session in self._sessions.items():
            if each == process_id and session.user == user:
                await session.cancel()
                return

    async def _serve(self, client: Peer) -> None:
        try:
            session = await asyncio.wait_for(self._sign_in(client), _SIGN_IN_SECONDS)
            if session is None:
                return
            key, served = session
            self._sessions[key] = served
            try:
                await served.run()
            finally:
                del self._sessions[key]
        except (ProtocolError, BackendLost, TimeoutError, ssl.SSLError, ConnectionError) as error:
            _log.info("connection ended: %s", error)
        except RedshiftError as error:
            client.write(error_frame(error, "FATAL"))
        except OSError as error:
            client.write(error_frame(RedshiftError("57P03", f"PostgreSQL does not answer: {error}"), "FATAL"))
        except Exception:
            _log.exception("a session failed")
            client.write(error_frame(RedshiftError("XX000", "the sandbox failed; see its log"), "FATAL"))
        finally:
            client.close()

    async def _sign_in(self, client: Peer) -> tuple[tuple[int, bytes], Session] | None:
        """From the first packet to a session; None for a cancel request or a client that left."""
        packet = await self._first_packet(client)
        if packet is None:
            return None
        if _CODE.unpack_from(packet)[0] == _CANCEL_REQUEST:
            await self._cancel(CancelRequest.decode(memoryview(packet)))
            return None
        startup = StartupMessage.decode(memoryview(packet))
        if startup.protocol_version >> 16 != 3:
            raise RedshiftError("0A000", "unsupported frontend protocol: version 3 is needed")
        if startup.protocol_version != _PROTOCOL_3_0:
            client.write(NegotiateProtocolVersion(newest_minor=0).to_wire())
        user = startup.params.get("user", "")
        database = startup.params.get("database") or user
        if user == OWNER:
            raise RedshiftError("28000", f'password authentication failed for user "{user}"')
        backend = Backend(self.postgres.socket)
        await backend.open()
        signed_in = False
        try:
            passed = {
                name: value for name, value in startup.params.items() if name.lower() in _PASSED_PARAMETERS
            }
            backend.peer.write(StartupMessage({"user": user, "database": database, **passed}).to_wire())
            if not await self._authenticate(client, backend):
                return None
            signed_in = True
        finally:
            if not signed_in:
                backend.close()
        application = startup.params.get("application_name", "")
        origin = Origin(database, user, application, backend.process_id)
        return (backend.process_id, backend.secret_key), Session(self, client, backend, origin)

    async def _first_packet(self, client: Peer) -> bytes | None:
        while (packet := await client.startup()) is not None:
            (code,) = _CODE.unpack_from(packet)
            if code == _SSL_REQUEST:
                client.write(b"S")
                await client.start_tls(self._tls)
            elif code == _GSSENC_REQUEST:
                client.write(b"N")
            else:
                return packet
        return None

    async def _authenticate(self, client: Peer, backend: Backend) -> bool:
        """Pass PostgreSQL's questions to the client and the answers back, until it is ready for queries."""
        answer = bytearray()
        while True:
            kind, body = await backend.message()
            if kind == b"E":
                error = redshift_error(ErrorResponse.decode(memoryview(body)).fields, backend.process_id)
                client.write(answer + error_frame(error, "FATAL"))
                await client.drain()
                return False
            if kind == b"S":
                status = ParameterStatus.decode(memoryview(body))
                if status.name in _PARAMETERS:
                    continue
            elif kind == b"K":
                backend.key_data(body)
            elif kind == b"Z":
                for name, value in _PARAMETERS.items():
                    answer += ParameterStatus(name, value).to_wire()
                client.write(answer + frame(kind, body))
                return True
            answer += frame(kind, body)
            if kind == b"R" and _CODE.unpack_from(body)[0] not in (0, 12):  # neither Ok nor SASL's last word
                client.write(answer)
                answer = bytearray()
                message = await client.message()
                if message is None:
                    return False
                backend.peer.write(frame(*message))

    async def _cancel(self, request: CancelRequest) -> None:
        session = self._sessions.get((request.process_id, request.secret_key))
        if session is not None:
            await session.cancel()


class _Client(Peer):
    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._server.accept(self)
