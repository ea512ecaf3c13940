"""A Redshift-compatible endpoint and an S3 server, or a PostgreSQL for Airflow, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import ipaddress
import json
import logging
import os
import re
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib import resources
from pathlib import Path

from redshift_sandbox import metadata
from redshift_sandbox.endpoint import Endpoint
from redshift_sandbox.errors import RedshiftError, SandboxError
from redshift_sandbox.faults import Faults, StatementLog
from redshift_sandbox.given import Given
from redshift_sandbox.postgres import Postgres
from redshift_sandbox.s3 import S3Server, check_free
from redshift_sandbox.server import Server
from redshift_sandbox.tls import Certificates, certificates

DATABASE = "dev"
USER = "awsuser"

_log = logging.getLogger("redshift_sandbox")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 after a clean stop, 1 when it cannot start or go on."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(options.run(options))
    except SandboxError as error:
        print(f"redshift-sandbox: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"redshift-sandbox: {error.filename or options.state}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redshift-sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = commands.add_parser(
        "serve",
        help="run the warehouse and the S3 server until SIGTERM or Ctrl-C",
        description="Start the warehouse and the S3 server, say in one line of JSON where they are, and run.",
    )
    serve.set_defaults(run=_serve)
    _add_common(serve, "the warehouse's port; 0: any free one", port=0)
    serve.add_argument("--s3-port", type=int, default=0, help="the S3 server's port; 0: any free one")
    serve.add_argument(
        "--bucket",
        action="append",
        default=[],
        type=_bucket,
        metavar="NAME",
        help="a bucket to make unless it is there; may be repeated",
    )
    serve.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="a further host name or address that clients use, for the certificate; may be repeated",
    )
    serve.add_argument("--password-file", type=Path, help=f"holds the password of {USER}; made if not given")
    serve.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    store = commands.add_parser(
        "metadata",
        help="run a PostgreSQL for Airflow's metadata until SIGTERM or Ctrl-C",
        description=(
            f"Start PostgreSQL with the database {metadata.DATABASE} of the user {metadata.USER}, say in one "
            "line of JSON where it is, and run."
        ),
    )
    store.set_defaults(run=_metadata, stop_with_stdin=False)
    _add_common(store, "the port (%(default)s)", port=5432)
    return parser


def _add_common(command: argparse.ArgumentParser, port_help: str, port: int) -> None:
    command.add_argument("--state", type=Path, required=True, help="folder that keeps everything")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    command.add_argument("--port", type=int, default=port, help=port_help)
    command.add_argument(
        "--secrets",
        type=Path,
        metavar="FOLDER",
        help="holds secrets, each in a file of its name; what is not there is made and kept in the state",
    )
    command.add_argument("--log", type=Path, help="the sandbox's own log (STATE/sandbox.log)")


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
        raise argparse.ArgumentTypeError(f"{name!r} is no name of a bucket")
    return name


async def _serve(options: argparse.Namespace) -> None:
    given = Given(options.secrets)
    async with AsyncExitStack() as stack:
        state = stack.enter_context(_state(options))
        stop = _stop_event(options)
        password = _password(options.password_file, given.text("password"), state / "password")
        tls = _certificates(options, given, state)
        s3_key = given.texts("s3-access-key", "s3-secret-key")
        postgres = Postgres(state / "postgres")
        s3 = S3Server(state / "s3", options.host, options.s3_port, s3_key, options.bucket)
        stack.push_async_callback(lambda: _all(postgres.stop(), s3.stop()))
        await _all(postgres.start(), s3.start())
        statements = StatementLog(state / "postgres" / "statements.jsonl")
        stack.callback(statements.close)
        await _prepare(postgres, statements, password)
        server = Server(postgres, tls.server_context(), s3.settings, Faults(), statements)
        stack.push_async_callback(server.stop)
        port = await server.listen(options.host, options.port)
        endpoint = _endpoint(options.host, port, password, s3, tls.ca_file)
        if given.folder is not None:  # whoever gave the secrets has them; what is printed goes to a log
            for name in ("SPARKIFY_WAREHOUSE_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
                del endpoint.env[name]
        print(endpoint.to_json(), flush=True)
        _log.info("ready on %s port %d", options.host, port)
        await _until_end(stop, {"PostgreSQL": postgres.ended(), "the S3 server": s3.ended()})
    _log.info("stopped")


async def _metadata(options: argparse.Namespace) -> None:
    given = Given(options.secrets)
    async with AsyncExitStack() as stack:
        state = stack.enter_context(_state(options))
        stop = _stop_event(options)
        password = _password(None, given.text("metadata-password"), state / "metadata-password")
        check_free(options.host, options.port)
        postgres = metadata.metadata(state / "postgres", options.host, options.port)
        stack.push_async_callback(postgres.stop)
        await postgres.start()
        await metadata.prepare(postgres, password)
        where = {"host": _reachable(options.host), "port": options.port}
        print(json.dumps({**where, "database": metadata.DATABASE, "user": metadata.USER}), flush=True)
        _log.info("ready on %s port %d", options.host, options.port)
        await _until_end(stop, {"PostgreSQL": postgres.ended()})
    _log.info("stopped")


@contextmanager
def _state(options: argparse.Namespace) -> Iterator[Path]:
    """The state folder, which nothing else uses meanwhile, with the log that is kept there."""
    state: Path = options.state.absolute()
    state.mkdir(mode=0o711, parents=True, exist_ok=True)  # PostgreSQL may run as another user
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(f"another sandbox runs on {state}") from None
        logging.basicConfig(
            filename=options.log or state / "sandbox.log",
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        yield state


def _stop_event(options: argparse.Namespace) -> asyncio.Event:
    """Set by SIGTERM, SIGINT and, if asked for, the end of standard input."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.stop_with_stdin:

        def read() -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                loop.remove_reader(sys.stdin.fileno())
                stop.set()

        try:
            loop.add_reader(sys.stdin.fileno(), read)
        except PermissionError:  # a file or /dev/null, which cannot be waited for: it has ended
            stop.set()
    return stop


async def _all(*work: Awaitable[None]) -> None:
    """Do all at once and wait until all have ended, also when one fails; then raise its failure."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _prepare(postgres: Postgres, statements: StatementLog, password: str) -> None:
    catalog = (resources.files("redshift_sandbox") / "catalog.sql").read_text()
    try:
        await postgres.prepare(catalog + statements.view(), USER, password, DATABASE)
    except RedshiftError as error:
        raise SandboxError(f"PostgreSQL could not be set up: {error.message}") from error


async def _until_end(stop: asyncio.Event, ends: dict[str, Awaitable[str]]) -> None:
    """Wait for the signal to stop. Raises SandboxError when a part ends by itself; it says its last words."""
    stopping = asyncio.ensure_future(stop.wait())
    parts = {asyncio.ensure_future(ended): name for name, ended in ends.items()}
    try:
        await asyncio.wait([stopping, *parts], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            for part, name in parts.items():
                if part.done():
                    raise SandboxError(f"{name} ended: {part.result()}")
    finally:
        for task in (stopping, *parts):
            task.cancel()


def _password(file: Path | None, given: str | None, kept: Path) -> str:
    """A user's password: from a file, or as given, or made once and kept."""
    if file is None and given is not None:
        return given
    if file is None and not kept.exists():
        with open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(f"Aa1{secrets.token_urlsafe(24)}\n")  # Redshift demands all three kinds
    password = (file or kept).read_text().strip()
    if not password:
        raise SandboxError(f"{file or kept} holds no password")
    return password


def _certificates(options: argparse.Namespace, given: Given, state: Path) -> Certificates:
    files = given.files("ca.crt", "tls.crt", "tls.key")
    if files is not None:
        return Certificates(*files)
    names = dict.fromkeys(
        ("localhost", "127.0.0.1", "::1", socket.gethostname(), options.host, *options.name)
    )
    return certificates(state / "tls", [name for name in names if not _is_every_address(name)])


def _is_every_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _reachable(host: str) -> str:
    return "127.0.0.1" if _is_every_address(host) else host


def _endpoint(host: str, port: int, password: str, s3: S3Server, ca_file: Path) -> Endpoint:
    reachable = _reachable(host)
    return Endpoint(
        host=reachable,
        port=port,
        database=DATABASE,
        user=USER,
        s3_endpoint=s3.endpoint,
        ca_file=str(ca_file),
        env={
            "SPARKIFY_WAREHOUSE_HOST": reachable,
            "SPARKIFY_WAREHOUSE_PORT": str(port),
            "SPARKIFY_WAREHOUSE_DATABASE": DATABASE,
            "SPARKIFY_WAREHOUSE_USER": USER,
            "SPARKIFY_WAREHOUSE_PASSWORD": password,
            "SSL_CERT_FILE": str(ca_file),
            "AWS_ENDPOINT_URL_S3": s3.endpoint,
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "AWS_REGION": s3.region,
            "AWS_ALLOW_HTTP": "true",
        },
        process_id=os.getpid(),
    )


if __name__ == "__main__":
    sys.exit(main())
