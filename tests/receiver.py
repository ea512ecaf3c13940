"""Who notices are sent to: a web server as a chat's webhook, and a mail server; each keeps what came."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Literal, cast


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


Tls = Literal["", "starttls", "at once"]


@dataclass
class MailServer:
    """What came by SMTP; `refused` recipients are answered with 550, `unknown` users with 535.

    `tls` is spoken from the first byte on or, as "starttls", once the client wants it: before that, no login.
    """

    tls: Tls = ""
    refused: tuple[str, ...] = ()
    unknown: bool = False
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    logins: list[list[str]] = field(default_factory=list)


@contextmanager
def receiving_mail(
    server: MailServer | None = None, context: ssl.SSLContext | None = None
) -> Iterator[MailServer]:
    """A mail server that understands what is needed to send one message; `context` has its certificate."""
    server = server or MailServer()

    class Handler(StreamRequestHandler):
        encrypted = False

        def setup(self) -> None:
            if server.tls == "at once":
                self.encrypt()
            super().setup()

        def encrypt(self) -> None:
            assert context is not None
            self.request = context.wrap_socket(self.request, server_side=True)
            self.encrypted = True

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline():
                verb, _, rest = line.decode().strip().partition(" ")
                verb = verb.upper()
                if verb == "EHLO":
                    login = self.encrypted or not server.tls
                    self.say(f"250-here\r\n250 {'AUTH PLAIN' if login else 'STARTTLS'}")
                elif verb == "STARTTLS":
                    self.say("220 go on")
                    self.encrypt()
                    super().setup()
                elif verb == "AUTH":
                    server.logins.append(
                        base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")[1:]
                    )
                    self.say("535 nobody of that name" if server.unknown else "235 welcome")
                elif verb == "RCPT" and any(f"<{each}>" in rest for each in server.refused):
                    self.say("550 nobody of that name")
                elif verb == "DATA":
                    self.say("354 go on")
                    body = b"".join(iter(self.rfile.readline, b".\r\n"))
                    message = message_from_bytes(body, policy=policy.default)
                    server.messages.append(cast(EmailMessage, message))
                    self.say("250 kept")
                else:
                    self.say("221 bye" if verb == "QUIT" else "250 yes")

        def say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

    class Listening(ThreadingTCPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not trust us goes: nothing to tell."""

    with Listening(("127.0.0.1", 0), Handler) as listening:
        server.port = listening.server_address[1]
        Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield server
        finally:
            listening.shutdown()
