"""What the tests share: one running sandbox, and an empty database in it for each test that asks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import count
from typing import Any

import pytest
import redshift_connector

from redshift_sandbox import Endpoint, running
from tests import redshift

_numbers = count(1)

Connect = Callable[..., Any]

_DRIVERS_WARNINGS = (
    # It leaves its socket to the garbage collector when connecting fails or the server hangs up.
    r"ignore:unclosed <s:ResourceWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for warning in _DRIVERS_WARNINGS:
        config.addinivalue_line("filterwarnings", warning)


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores, since each waits for its sandbox now and then; four have memory enough."""
    return min((os.cpu_count() or 1) + 1, 4)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A sandbox for the whole session, or the Redshift that is given.

    SSL_CERT_FILE names the sandbox's authority in this process too.
    """
    if redshift.is_given():
        yield redshift.endpoint()
        return
    with running(tmp_path_factory.mktemp("sandbox")) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", endpoint.ca_file)
        yield endpoint


@pytest.fixture(scope="session")
def administrator(sandbox: Endpoint) -> Iterator[Any]:
    """An autocommit connection to the sandbox's first database."""
    with closing(_connect(sandbox)) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture
def database(administrator: Any) -> Iterator[str]:
    """The name of an empty database, dropped after the test."""
    name = f"test_{next(_numbers)}" if not redshift.is_given() else f"sparkify_smoke_{secrets.token_hex(6)}"
    administrator.cursor().execute(f"create database {name}")
    yield name
    administrator.cursor().execute(f"drop database {name}")


@pytest.fixture
def connect(sandbox: Endpoint, database: str) -> Iterator[Connect]:
    """Opens connections to the test's database with the driver's defaults; closes them after the test."""
    with ExitStack() as stack:

        def opened(**options: Any) -> Any:
            connection = _connect(sandbox, **{"database": database, **options})
            stack.callback(_close, connection)
            return connection

        yield opened


@pytest.fixture
def warehouse(connect: Connect) -> Any:
    """A connection to the test's database."""
    return connect()


def _connect(endpoint: Endpoint, **options: Any) -> Any:
    return redshift_connector.connect(
        **{
            "host": endpoint.host,
            "port": endpoint.port,
            "database": endpoint.database,
            **redshift.login(endpoint),
            **options,
        }
    )


def _close(connection: Any) -> None:
    with suppress(redshift_connector.InterfaceError):  # the test has closed it, or a fault has
        connection.close()
