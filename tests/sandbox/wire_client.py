"""A client that speaks the wire protocol message by message, for what redshift_connector never sends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from pygwire.messages import (
    CancelRequest,
    DataRow,
    ErrorResponse,
    PasswordMessage,
    PGMessage,
    Query,
    StartupMessage,
)

from redshift_sandbox import Endpoint

# Longer than any test: ten billion rows.
ENDLESS = "with digits as (select 0 as digit {}) select count(*) from {}".format(
    "union all select 1 " * 9, ", ".join(f"digits as d{place}" for place in range(10))
)

Connect = Callable[..., Any]


class WireClient:
    """A connection without TLS that has signed in."""

    def __init__(self, endpoint: Endpoint, database: str) -> None:
        self.endpoint = endpoint
        self.socket = socket.create_connection((endpoint.host, endpoint.port), timeout=30)
        self.parameters: dict[str, str] = {}
        self.key = b""
        self.send(StartupMessage({"user": endpoint.user, "database": database}))
        kind, body = self.receive()
        assert (kind, body[:4]) == (b"R", b"\0\0\0\5")
        inner = md5(f"{endpoint.password}{endpoint.user}".encode()).hexdigest()
        self.send(PasswordMessage("md5" + md5(inner.encode() + body[4:8]).hexdigest()))
        for kind, body in self.until(b"Z"):
            if kind == b"S":
                name, value = body[:-1].decode().split("\0")
                self.parameters[name] = value
            elif kind == b"K":
                self.key = body

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *messages: PGMessage) -> None:
        """All in one packet."""
        self.socket.sendall(b"".join(message.to_wire() for message in messages))

    def receive(self) -> tuple[bytes, bytes]:
        head = self._read(5)
        return head[:1], self._read(int.from_bytes(head[1:], "big") - 4)

    def until(self, last: bytes) -> list[tuple[bytes, bytes]]:
        """Everything up to a message of this kind."""
        messages = [self.receive()]
        while messages[-1][0] != last:
            messages.append(self.receive())
        return messages

    def query(self, sql: str) -> list[tuple[bytes, bytes]]:
        """The simple protocol."""
        self.send(Query(sql))
        return self.until(b"Z")

    def cancel(self) -> None:
        """Send a cancel request for this connection, over another one."""
        with socket.create_connection((self.endpoint.host, self.endpoint.port), timeout=30) as other:
            other.sendall(CancelRequest(int.from_bytes(self.key[:4], "big"), self.key[4:]).to_wire())
            assert other.recv(1) == b""

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        return data


def kinds(messages: list[tuple[bytes, bytes]]) -> str:
    """The kinds of messages as one word; data rows that follow each other count once."""
    word = ""
    for kind, _ in messages:
        if not (kind == b"D" and word.endswith("D")):
            word += kind.decode()
    return word


def rows(messages: list[tuple[bytes, bytes]]) -> list[list[str | None]]:
    """The data rows, as text."""
    decoded = [DataRow.decode(memoryview(body)).columns for kind, body in messages if kind == b"D"]
    return [[None if value is None else str(value, "utf-8") for value in row] for row in decoded]


def error(messages: list[tuple[bytes, bytes]]) -> tuple[str, str]:
    """The first error's SQLSTATE and message."""
    body = next(body for kind, body in messages if kind == b"E")
    fields = ErrorResponse.decode(memoryview(body)).fields
    return fields["C"], fields["M"]


def highest_memory(endpoint: Endpoint) -> int:
    """The most memory, in KiB, that the sandbox's own process has held since this was last asked."""
    process = Path(f"/proc/{endpoint.process_id}")
    if not process.exists():
        pytest.skip("memory is read from /proc, which this system does not have")
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    (process / "clear_refs").write_text("5")
    return int(line.split()[1])
