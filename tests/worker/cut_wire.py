"""A way to the warehouse that breaks in the middle of an answer, after as many bytes as a test says."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redshift_sandbox import Endpoint
from redshift_sandbox.tls import certificates

_READ = 65536


class CutWire(socketserver.ThreadingTCPServer):
    """Stands between clients and the sandbox, with the sandbox's certificate.

    The answers of the next connection end after `cut` bytes, start-up included; later ones are whole.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = int(self.server_address[1])
        self.cut: int | None = None
        self.answered = 0  # bytes of all answers
        self.warehouse = (endpoint.host, endpoint.port)
        self.tls = certificates(Path(endpoint.ca_file).parent, [endpoint.host]).server_context()


class _Connection(socketserver.BaseRequestHandler):
    server: CutWire

    def handle(self) -> None:
        cut, self.server.cut = self.server.cut, None
        self.request.recv(8)  # SSLRequest
        self.request.sendall(b"S")
        with (
            suppress(OSError),  # each side may go when it likes
            self.server.tls.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(self.server.warehouse) as warehouse,
        ):
            for side in (client, warehouse):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asking = threading.Thread(target=_pass_on, args=(client, warehouse))
            asking.start()
            try:
                while cut != 0 and (data := warehouse.recv(_READ)):
                    data = data[:cut]
                    cut = None if cut is None else cut - len(data)
                    self.server.answered += len(data)
                    client.sendall(data)
            finally:
                # An end, not a reset, on which the client would lose what it has not read yet.
                for side in (client, warehouse):
                    with suppress(OSError):
                        socket.socket.shutdown(side, socket.SHUT_WR)
                asking.join(2)
                # A client that failed may keep its end open until its objects are collected.
                with suppress(OSError):
                    socket.socket.shutdown(client, socket.SHUT_RDWR)
                asking.join()


def _pass_on(client: socket.socket, warehouse: socket.socket) -> None:
    with suppress(OSError):
        while data := client.recv(_READ):
            warehouse.sendall(data)
        warehouse.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_wire(endpoint: Endpoint) -> Iterator[CutWire]:
    """A cut wire that serves as long as the context."""
    with CutWire(endpoint) as wire:
        serving = threading.Thread(target=wire.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield wire
        finally:
            wire.shutdown()
            serving.join()
