"""Connecting to the sandbox: TLS, passwords, start-up parameters, many clients."""

from __future__ import annotations

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redshift_connector

from redshift_sandbox import Endpoint
from redshift_sandbox.postgres import programs
from tests.sandbox.wire_client import Connect, WireClient


def test_the_drivers_defaults_connect_over_tls_that_they_verify(warehouse: Any) -> None:
    assert warehouse._usock.version() == "TLSv1.3"
    cursor = warehouse.cursor()
    cursor.execute("select 1")
    assert cursor.fetchall() == ([1],)


def test_without_the_sandboxs_authority_the_driver_refuses_the_certificate(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(redshift_connector.InterfaceError, match="communication error"):
        connect()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_names_the_host(connect: Connect, host: str) -> None:
    assert connect(host=host, sslmode="verify-full")._usock.version() == "TLSv1.3"


def test_a_client_may_do_without_tls(connect: Connect) -> None:
    cursor = connect(ssl=False).cursor()
    cursor.execute("select 2")
    assert cursor.fetchall() == ([2],)


def test_a_wrong_password_is_refused_as_redshift_refuses_it(connect: Connect) -> None:
    with pytest.raises(redshift_connector.InterfaceError) as refused:
        connect(password="wrong")
    assert refused.value.args[0] == {
        "S": "FATAL",
        "C": "28000",
        "M": 'password authentication failed for user "awsuser"',
    }


@pytest.mark.parametrize("user", ["nobody", "rdsdb", "postgres"])
def test_a_user_who_is_not_there_is_refused_in_the_same_way(connect: Connect, user: str) -> None:
    with pytest.raises(
        redshift_connector.InterfaceError, match=f'password authentication failed for user "{user}"'
    ):
        connect(user=user)


def test_a_database_that_is_not_there_is_refused(connect: Connect) -> None:
    with pytest.raises(
        redshift_connector.ProgrammingError, match='database "nowhere" does not exist'
    ) as refused:
        connect(database="nowhere")
    assert refused.value.args[0]["C"] == "3D000"


def test_the_server_reports_redshifts_version(sandbox: Endpoint, warehouse: Any, database: str) -> None:
    cursor = warehouse.cursor()
    cursor.execute("select version()")
    (version,) = cursor.fetchone()
    assert version.startswith("PostgreSQL 8.0.2 on ")
    assert ", Redshift 1.0." in version
    with WireClient(sandbox, database) as client:
        assert client.parameters["server_version"] == "8.0.2"
        assert client.parameters["client_encoding"] == "UTF8"


def test_sixty_clients_work_at_once(connect: Connect) -> None:
    with ThreadPoolExecutor(60) as pool:
        connections = list(pool.map(lambda _: connect(), range(60)))

        def square(number: int) -> int:
            cursor = connections[number].cursor()
            cursor.execute("select %s * %s", (number, number))
            return int(cursor.fetchone()[0])

        assert list(pool.map(square, range(60))) == [number * number for number in range(60)]


def test_psql_connects_and_asks(sandbox: Endpoint, database: str) -> None:
    result = subprocess.run(
        [
            *(programs() / "psql", "--no-psqlrc", "--tuples-only", "--no-align"),
            f"host=localhost port={sandbox.port} dbname={database} user={sandbox.user}",
            *(
                "--command",
                "create table plays (title varchar(20)); insert into plays values ('Ode'), ('Cant')",
            ),
            *("--command", "select count(*), max(title) from plays"),
        ],
        env={**os.environ, "PGPASSWORD": sandbox.password},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.stderr, result.stdout.splitlines()[-1:], result.returncode) == ("", ["2|Ode"], 0)


def test_what_is_not_the_protocol_ends_that_connection_only(sandbox: Endpoint, warehouse: Any) -> None:
    with socket.create_connection((sandbox.host, sandbox.port), timeout=30) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stranger.recv(1000) == b""
    cursor = warehouse.cursor()
    cursor.execute("select 3")
    assert cursor.fetchall() == ([3],)
