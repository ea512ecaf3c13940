"""The two calls of AWS that give a password for the warehouse, answered as their service models say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from redshift_sandbox import Endpoint

# Temporary keys, as a role has them. The session token makes them so.
KEYS = {
    "AWS_ACCESS_KEY_ID": "ASIAAAAAAAAAAAAAAAAA",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-key",
    "AWS_SESSION_TOKEN": "canary-session-token",
}

_XML = (
    '<GetClusterCredentialsWithIAMResponse xmlns="http://redshift.amazonaws.com/doc/2012-12-01/">'
    "<GetClusterCredentialsWithIAMResult><DbUser>{user}</DbUser><DbPassword>{password}</DbPassword>"
    "<Expiration>{expiration:%Y-%m-%dT%H:%M:%SZ}</Expiration></GetClusterCredentialsWithIAMResult>"
    "</GetClusterCredentialsWithIAMResponse>"
)
_XML_ERROR = (
    '<ErrorResponse xmlns="http://redshift.amazonaws.com/doc/2012-12-01/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
)


@dataclass
class AwsApi:
    """What it was asked, and how it answers."""

    url: str
    user: str
    password: str
    seconds: int = 900  # that a password lasts
    asked: list[dict[str, str]] = field(default_factory=list)
    failure: tuple[int, str, str] | None = None  # status, code, message

    @property
    def environment(self) -> dict[str, str]:
        """For a worker that logs in by IAM."""
        return {
            "SPARKIFY_WAREHOUSE_PASSWORD": "",
            "AWS_ENDPOINT_URL_REDSHIFT": self.url,
            "AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": self.url,
            "AWS_MAX_ATTEMPTS": "1",
        }

    def answer(self, target: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        expiration = datetime.now(UTC) + timedelta(seconds=self.seconds)
        if target:  # JSON 1.1, as redshift-serverless speaks
            call = {"call": target, **json.loads(body)}
        else:  # Query, as redshift speaks
            call = dict(parse_qsl(body.decode()))
            call = {"call": call.pop("Action"), **{name: call[name] for name in call if name != "Version"}}
        self.asked.append(call)
        failure = self.failure
        if call["call"] not in ("RedshiftServerless.GetCredentials", "GetClusterCredentialsWithIAM"):
            failure = (400, "InvalidAction", "not answered here")
        elif "CustomDomainName" in call:
            failure = (404, "CustomDomainAssociationNotFoundFault", "no such domain")
        if failure:
            status, code, message = failure
            if target:
                said = json.dumps({"__type": code, "message": message})
                return status, "application/x-amz-json-1.1", said.encode()
            return status, "text/xml", _XML_ERROR.format(code=code, message=message).encode()
        if target:
            given = {
                "dbUser": self.user,
                "dbPassword": self.password,
                "expiration": expiration.timestamp(),
                "nextRefreshTime": expiration.timestamp(),
            }
            return 200, "application/x-amz-json-1.1", json.dumps(given).encode()
        said = _XML.format(user=self.user, password=self.password, expiration=expiration)
        return 200, "text/xml", said.encode()


@contextmanager
def answering(endpoint: Endpoint) -> Iterator[AwsApi]:
    """A server that gives out the sandbox's own user and password."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, answer = api.answer(self.headers.get("X-Amz-Target", ""), body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = AwsApi(f"http://127.0.0.1:{server.server_port}", endpoint.user, endpoint.password)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
