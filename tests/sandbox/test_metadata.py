"""The PostgreSQL for Airflow's metadata: who may reach it, what it keeps, how it starts and stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redshift_sandbox.postgres import programs
from tests.sandbox.test_wire_life import processes, wait_until_gone

pytestmark = pytest.mark.sandbox_only

METADATA = (sys.executable, "-m", "redshift_sandbox", "metadata")


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def metadata(state: Path, *options: str | Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The running process and its port; it is stopped at the end unless it has ended."""
    port = free_port()
    with subprocess.Popen(
        (*METADATA, "--state", state, "--port", str(port), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == {
                "host": "127.0.0.1",
                "port": port,
                "database": "airflow",
                "user": "airflow",
            }
            yield process, port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def psql(port: int, password: str, sql: str, user: str = "airflow", database: str = "airflow") -> str:
    """What psql prints, or its error."""
    result = subprocess.run(
        (programs() / "psql", "-XAtw", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-c", sql, database),
        env={**os.environ, "PGPASSWORD": password},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return result.stdout if result.returncode == 0 else result.stderr.strip().rpartition("FATAL:  ")[2]


def test_it_is_a_plain_utf8_postgresql_over_tcp(tmp_path: Path) -> None:
    with metadata(tmp_path) as (process, port):
        password = (tmp_path / "metadata-password").read_text().strip()
        settings = psql(
            port,
            password,
            "select current_setting('server_encoding'), current_setting('client_encoding'), "
            "current_setting('enable_nestloop'), current_setting('transaction_isolation')",
        )
        assert settings == "UTF8|UTF8|on|read committed\n"
        assert psql(port, password, "create table runs (name text); insert into runs values ('ü')") == (
            "CREATE TABLE\nINSERT 0 1\n"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert processes(tmp_path) == []
    with metadata(tmp_path) as (_, port):
        assert psql(port, password, "select name, length(name) from runs") == "ü|1\n"


def test_only_its_user_with_the_password_reaches_only_its_database(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "metadata-password").write_text("Meta1Data\n")
    with metadata(tmp_path / "state", "--secrets", secrets) as (_, port):
        assert psql(port, "Meta1Data", "select current_user") == "airflow\n"
        assert psql(port, "another", "select 1") == 'password authentication failed for user "airflow"'
        for user, database in (("rdsdb", "airflow"), ("airflow", "postgres")):
            assert psql(port, "Meta1Data", "select 1", user, database).startswith("no pg_hba.conf entry for")
    assert not (tmp_path / "state" / "metadata-password").exists()


def test_the_password_that_is_given_anew_holds(tmp_path: Path) -> None:
    with metadata(tmp_path / "state"):
        pass
    (tmp_path / "metadata-password").write_text("Meta1Data")
    with metadata(tmp_path / "state", "--secrets", tmp_path) as (_, port):
        assert psql(port, "Meta1Data", "select 1") == "1\n"


def test_killed_with_all_its_processes_it_goes_on_with_what_was_committed(tmp_path: Path) -> None:
    with metadata(tmp_path) as (_, port):
        password = (tmp_path / "metadata-password").read_text().strip()
        assert psql(port, password, "create table runs as select 7 as number") == "SELECT 1\n"
        for process_id in processes(tmp_path):
            os.kill(process_id, signal.SIGKILL)
    wait_until_gone(tmp_path)
    with metadata(tmp_path) as (_, port):
        assert psql(port, password, "select number from runs") == "7\n"


def test_a_port_that_is_taken_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            (*METADATA, "--state", tmp_path, "--port", str(port)), capture_output=True, text=True, timeout=60
        )
    assert (result.stdout, result.stderr, result.returncode) == (
        "",
        f"redshift-sandbox: cannot listen on 127.0.0.1 port {port}: Address already in use\n",
        1,
    )


def test_it_ends_in_one_line_when_postgresql_does(tmp_path: Path) -> None:
    with metadata(tmp_path) as (process, _):
        os.kill(int((tmp_path / "postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        assert process.wait(30) == 1
        assert process.stderr is not None
        (said,) = process.stderr.read().splitlines()
    assert said.startswith("redshift-sandbox: PostgreSQL ended: ")
    assert "the database system is" not in said
