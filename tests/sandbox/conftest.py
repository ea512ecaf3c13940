"""What the sandbox's tests share: a bucket of their own, and rows as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from redshift_sandbox import Endpoint
from sparkify.settings import Location
from tests import redshift
from tests.redshift import Place
from tests.s3 import client

_numbers = count(1)

Put = Callable[[str, str | bytes], str]
Ask = Callable[..., list[list[Any]]]


@pytest.fixture(scope="session")
def s3(sandbox: Endpoint) -> Any:
    """A client of the sandbox's S3 server."""
    return client(sandbox)


@pytest.fixture
def bucket(s3: Any) -> str:
    """The name of a new, empty bucket."""
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(request: pytest.FixtureRequest) -> Iterator[Put]:
    """Writes an object and returns its URL."""
    if redshift.is_given():
        with redshift.place() as place:
            yield place.put
    else:
        s3, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
        yield Place(s3, Location(bucket, "")).put


@pytest.fixture
def ask(warehouse: Any) -> Ask:
    """Runs a statement on the test's connection, outside of a transaction block, and returns its rows."""
    return _asking(warehouse)


@pytest.fixture
def ask_quickly(administrator: Any) -> Iterator[Ask]:
    """The same on a connection to the sandbox's first database, where a table `plays` may be made.

    For tests with many cases, which need no database of their own.
    """
    yield _asking(administrator)
    administrator.cursor().execute("drop table if exists plays")


@pytest.fixture(scope="session")
def put_quickly(request: pytest.FixtureRequest) -> Iterator[Put]:
    """Writes an object under a key that nothing else has, and returns its URL."""

    def write(key: str, body: str | bytes) -> str:
        return place.put(f"{next(_numbers)}/{key}", body)

    if redshift.is_given():
        with redshift.place() as place:
            yield write
    else:
        place = Place(request.getfixturevalue("s3"), Location("cases", ""))
        place.client.create_bucket(Bucket="cases")
        yield write


def _asking(connection: Any) -> Ask:
    connection.autocommit = True

    def run(sql: str, parameters: Any = None) -> list[list[Any]]:
        cursor = connection.cursor()
        cursor.execute(sql, parameters)
        return [list(row) for row in cursor.fetchall()] if cursor.description else []

    return run
