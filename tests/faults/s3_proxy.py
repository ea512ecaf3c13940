"""A way to the sandbox's S3 that keeps a list of the requests, and fails where a test says."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

# A request by what it is for, and which of its kind in the run it is, from 1.
Request = tuple[str, int]
Act = Callable[["Exchange"], None]

_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")
_VERSION = re.compile(r"[0-9a-f]{32}")


class S3Proxy(ThreadingHTTPServer):
    """Passes requests on as they are, signature included; `strike` is done in place of one of them."""

    daemon_threads = True

    def __init__(self, endpoint: str, exchange: type[Exchange] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), exchange or Exchange)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.behind = urlsplit(endpoint)
        self._turn = threading.Lock()
        self.begin()

    def begin(self, request: Request | None = None, strike: Act | None = None) -> None:
        """Forget what was seen; do `strike` once instead of passing on this request."""
        with self._turn:
            self.seen: list[Request] = []
            self.struck = False
            self._counts = Counter[str]()
            self._request, self._strike = request, strike

    def turn(self, name: str) -> Act | None:
        with self._turn:
            self._counts[name] += 1
            request = (name, self._counts[name])
            self.seen.append(request)
            if self.struck or request != self._request:
                return None
            self.struck = True
            return self._strike


class Exchange(BaseHTTPRequestHandler):
    """A request and its answer."""

    server: S3Proxy
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        with suppress(OSError):  # the client may go when it likes
            super().handle_one_request()
            return
        self.close_connection = True

    def exchange(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        strike = self.server.turn(self.name)
        if strike:
            strike(self)
        else:
            self.pass_on()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = exchange

    @property
    def name(self) -> str:
        """What the request is for, the same in each run."""
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True)
        what = "list" if "list-type" in query else "delete" if "delete" in query else self.command.lower()
        place = url.path.split("/", 2)[-1] if what not in ("list", "delete") else query.get("prefix", [""])[0]
        if "uploads" in query:
            what = "begin upload"
        elif "uploadId" in query:
            number = query.get("partNumber", [""])[0]
            what = f"upload part {number}" if number else "end upload" if self.command == "POST" else "abort"
        elif "Range" in self.headers:
            what = f"get {self.headers['Range']}"
        # Below the source bucket, or the case's own folder of the staging bucket.
        return f"{what} {_VERSION.sub('*', re.sub('^[^/]*/?case-[0-9]+/', 'staging/', unquote(place)))}"

    def pass_on_after(self, happens: Callable[[], object]) -> None:
        """Have something happen right before the request is served."""
        happens()
        self.pass_on()

    def forward(self) -> tuple[http.client.HTTPResponse, bytes]:
        """What S3 answers."""
        behind = http.client.HTTPConnection(str(self.server.behind.hostname), self.server.behind.port)
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            behind.putheader(name, value)
        behind.endheaders(self.body)
        answer = behind.getresponse()
        data = answer.read()
        behind.close()
        return answer, data

    def pass_on(self) -> None:
        answer, data = self.forward()
        self.answer(answer.status, data, dict(answer.getheaders()))

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>as the test says</Message></Error>"
        self.answer(status, text.encode(), {"Content-Type": "application/xml"})
        self.close_connection = True

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise ConnectionResetError

    def reset_after(self) -> None:
        self.forward()
        self.reset()

    def cut(self) -> None:
        """Half of the answer, or of its head where it has no body."""
        answer, data = self.forward()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        lines = [f"{name}: {value}\r\n" for name, value in [*headers, ("Content-Length", len(data))]]
        head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n{''.join(lines)}".encode()
        self.wfile.write(head + b"\r\n" + data[: len(data) // 2] if data else head[: len(head) // 2])
        self.close_connection = True

    def hang(self) -> None:
        """Say nothing until the client goes."""
        self.connection.settimeout(60)
        self.connection.recv(1)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def s3_proxy(endpoint: str, exchange: type[Exchange] | None = None) -> Iterator[S3Proxy]:
    """A proxy that serves as long as the context."""
    with S3Proxy(endpoint, exchange) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            serving.join()
