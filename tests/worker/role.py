"""A role's keys as EKS gives them to a pod, by Pod Identity's agent or by STS; an S3 that takes no others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.faults.s3_proxy import Exchange, s3_proxy
from tests.star.conftest import Pipeline

ARN = "arn:aws:iam::123456789012:role/sparkify-worker"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
# STS API Reference, AssumeRoleWithWebIdentity.
_STS = (
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{AccessKeyId}</AccessKeyId>"
    "<SecretAccessKey>{SecretAccessKey}</SecretAccessKey><SessionToken>{Token}</SessionToken>"
    "<Expiration>{Expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
    "</AssumeRoleWithWebIdentityResponse>"
)
_STS_ERROR = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{}</Code><Message>as the test says</Message></Error></ErrorResponse>"
)


@dataclass
class Role:
    """Gives out keys that last for `seconds`, to whoever shows what is in the file of the pod's own token.

    If they are few, S3 holds back its first answer until the keys that asked for it are over. From then on
    keys last, the pod has another token, and `failure` is what `later` was.
    """

    token_file: Path
    url: str = ""
    seconds: int = 3600
    failure: tuple[int, str] | None = None  # status and code
    later: tuple[int, str] | None = None
    expiries: dict[str, datetime] = field(default_factory=dict)  # of each session token that was given
    used: list[str] = field(default_factory=list)  # the session token of each request that S3 took
    lock: Any = field(default_factory=Lock)

    def new(self) -> dict[str, str]:
        with self.lock:
            expiry = datetime.now(UTC) + timedelta(seconds=self.seconds)
            token = f"canary-session-{len(self.expiries)}"
            self.expiries[token] = expiry
        return {
            "AccessKeyId": "ASIACANARY",
            "SecretAccessKey": "canary-secret",
            "Token": token,
            "AccountId": "123456789012",
            "Expiration": f"{expiry:%Y-%m-%dT%H:%M:%S.%fZ}",
        }

    def let_expire(self, token: str) -> None:
        if self.seconds == 3600:
            return
        time.sleep((self.expiries[token] - datetime.now(UTC)).total_seconds())
        self.seconds, self.failure = 3600, self.later
        self.token_file.write_text("canary-later")

    def agent(self, authorization: str | None) -> tuple[int, str]:
        """What EKS Pod Identity's agent answers."""
        if self.failure:
            return self.failure[0], self.failure[1]
        if authorization != self.token_file.read_text():
            return 403, "AccessDenied"
        return 200, json.dumps(self.new())

    def sts(self, call: dict[str, str]) -> tuple[int, str]:
        if self.failure:
            return self.failure[0], _STS_ERROR.format(self.failure[1])
        wanted = {
            "Action": "AssumeRoleWithWebIdentity",
            "RoleArn": ARN,
            "WebIdentityToken": self.token_file.read_text(),
        }
        if not wanted.items() <= call.items():
            return 400, _STS_ERROR.format("InvalidIdentityToken")
        return 200, _STS.format(**self.new())

    def environment(self, way: str) -> dict[str, str]:
        """What EKS's webhook puts into a pod of the ServiceAccount."""
        if way == "pod identity":
            return {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/v1/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self.token_file),
            }
        return {
            "AWS_ROLE_ARN": ARN,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.token_file),
            "AWS_ENDPOINT_URL_STS": self.url,
        }


@contextmanager
def in_a_pod(pipeline: Pipeline, role: Role, way: str) -> Iterator[Pipeline]:
    """The pipeline without keys in its environment; what it has is the role's."""
    own = pipeline.environment
    keys = Credentials(own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"])

    class Giving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(*role.agent(self.headers["Authorization"]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(*role.sts(dict(parse_qsl(body.decode()))))

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    class Taking(Exchange):
        """S3 as the role sees it. The sandbox's knows no session tokens: it is asked with keys of its own."""

        def pass_on(self) -> None:
            token = self.headers["x-amz-security-token"]
            if token not in role.expiries or "Credential=ASIACANARY/" not in self.headers["Authorization"]:
                self.refuse(403, "InvalidAccessKeyId")
            elif datetime.now(UTC) >= role.expiries[token]:
                self.refuse(400, "ExpiredToken")
            else:
                role.used.append(token)
                answer, data = self.forward()
                role.let_expire(token)
                self.answer(answer.status, data, dict(answer.getheaders()))

        def forward(self) -> tuple[HTTPResponse, bytes]:
            kept = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("authorization", "x-amz-security-token", "x-amz-date", "host")
            }
            url = f"{own['AWS_ENDPOINT_URL_S3']}{self.path}"
            request = AWSRequest(self.command, url, headers=kept, data=self.body)
            S3SigV4Auth(keys, "s3", own["AWS_REGION"]).add_auth(request)
            for name in list(self.headers):
                del self.headers[name]
            for name, value in {**request.headers, "Host": url.split("/")[2]}.items():
                self.headers[name] = value
            return super().forward()

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Giving) as giving,
        s3_proxy(own["AWS_ENDPOINT_URL_S3"], Taking) as s3,
    ):
        role.url = f"http://127.0.0.1:{giving.server_port}"
        Thread(target=giving.serve_forever, kwargs={"poll_interval": 0.05}).start()
        environment = {name: value for name, value in own.items() if name not in _KEYS}
        environment |= role.environment(way) | {"AWS_ENDPOINT_URL_S3": s3.endpoint}
        # The machine's own files and metadata have no part in it.
        environment |= {"HOME": str(role.token_file.parent), "AWS_EC2_METADATA_DISABLED": "true"}
        try:
            yield replace(pipeline, environment=environment)
        finally:
            giving.shutdown()
