"""A web server that keeps what is posted to it, as a chat's webhook does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Receiver:
    """Answers each request with `status`; `texts` are those of the messages that came."""

    status: int = 200
    texts: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiving(status: int = 200) -> Iterator[Receiver]:
    """A receiver for as long as the block takes; the end of its URL is as secret as a webhook's."""
    receiver = Receiver(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/json"
            assert set(body) == {"text"}
            receiver.texts.append(body["text"])
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/services/canary-7c2e"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield receiver
        finally:
            server.shutdown()
