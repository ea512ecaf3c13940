"""The sandbox on a state folder and connections to its warehouse."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redshift_connector

from laptop.errors import LaptopError
from redshift_sandbox import Endpoint, SandboxError, running

SOURCE_BUCKET = "sparkify-source"
STAGING_BUCKET = "sparkify-staging"

_NOTE = "endpoint.json"  # below the state folder, while a sandbox runs on it


@dataclass(frozen=True)
class Answer:
    """What a statement returned: `columns` is empty where it returns no rows."""

    columns: list[str]
    rows: list[Sequence[Any]]


@contextmanager
def sandbox(state: Path) -> Iterator[Endpoint]:
    """A sandbox of our own on the state folder; others find it by a file there.

    Raises:
        LaptopError: it does not start.
    """
    state.mkdir(parents=True, exist_ok=True)
    note = state / _NOTE
    try:
        with running(state / "sandbox", log=state / "sandbox.log") as endpoint:
            # It holds the password: only for us.
            with open(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(endpoint.to_json())
            try:
                yield endpoint
            finally:
                note.unlink(missing_ok=True)
    except SandboxError as error:
        raise LaptopError(f"the sandbox: {error}; its log is {state / 'sandbox.log'}") from error


@contextmanager
def sandbox_or_running_one(state: Path) -> Iterator[Endpoint]:
    """The sandbox that another process runs on the state folder, or else one of our own."""
    found = _running(state)
    if found is not None:
        yield found
        return
    with sandbox(state) as endpoint:
        yield endpoint


def _running(state: Path) -> Endpoint | None:
    try:
        endpoint = Endpoint.from_json((state / _NOTE).read_text())
        connect(endpoint).close()  # a process that was killed leaves its note behind
    except (OSError, ValueError, TypeError, LaptopError):
        return None
    return endpoint


def connect(endpoint: Endpoint) -> Any:
    """A connection that commits each statement.

    Raises:
        LaptopError: the warehouse does not answer.
    """
    # The driver trusts the authorities of the system; this is how it learns of the sandbox's own.
    os.environ["SSL_CERT_FILE"] = endpoint.ca_file
    try:
        connection = redshift_connector.connect(
            host=endpoint.host,
            port=endpoint.port,
            database=endpoint.database,
            user=endpoint.user,
            password=endpoint.password,
            application_name="sparkify laptop",
        )
    except (redshift_connector.Error, OSError) as error:
        raise LaptopError(f"the warehouse does not answer: {message(error)}") from error
    connection.autocommit = True
    return connection


def ask(connection: Any, statement: str) -> Answer:
    """Run one statement.

    Raises:
        LaptopError: the warehouse refuses it.
    """
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
        if cursor.description is None:
            return Answer([], [])
        return Answer([_text(column[0]) for column in cursor.description], list(cursor.fetchall()))
    except (redshift_connector.Error, OSError) as error:
        raise LaptopError(message(error)) from error


def message(error: Exception) -> str:
    """One line; the driver packs the server's fields into a dictionary (M message, D detail, H hint)."""
    said = error.args[0] if error.args else error
    if isinstance(said, dict):
        said = ". ".join(str(said[field]).rstrip(".") for field in "MDH" if said.get(field))
    return " ".join(str(said).split())


def environment(endpoint: Endpoint) -> dict[str, str]:
    """What a worker reads: the sandbox's addresses, and the caller's own SPARKIFY_ settings beside them."""
    # The caller's AWS settings are for another S3.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **inherited,
        "SPARKIFY_SOURCE": f"s3://{SOURCE_BUCKET}",
        "SPARKIFY_STAGING": f"s3://{STAGING_BUCKET}",
        "SPARKIFY_COPY_ROLE": "default",
        # A proxy cannot reach this machine's own addresses.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **endpoint.env,
    }


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
