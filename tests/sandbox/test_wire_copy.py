"""COPY on the wire: in whose transaction it runs, what ends it, and what it holds in memory."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest
import redshift_connector
import zstandard

from redshift_sandbox import Endpoint
from tests.sandbox.wire_client import Connect, WireClient, error, highest_memory

# It makes a bucket of its own.
pytestmark = pytest.mark.sandbox_only

MANY = 1_500_000


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A bucket with a small object, a large one that takes seconds to load, and a broken one."""
    s3.create_bucket(Bucket="wire")
    s3.put_object(Bucket="wire", Key="small.json", Body=b'{"number": 1}\n{"number": 2}\n')
    s3.put_object(Bucket="wire", Key="broken.json", Body=b'{"number": 1}\n{"number": "two"}\n')
    large = zstandard.compress(b'{"number": 3}\n' * MANY)
    s3.put_object(Bucket="wire", Key="large.json.zst", Body=large)
    return "s3://wire"


@pytest.fixture
def plays(warehouse: Any, bucket: str) -> Any:
    """An autocommit connection with the empty table plays."""
    warehouse.autocommit = True
    warehouse.cursor().execute("create table plays (number integer)")
    return warehouse


SMALL = "copy plays from 's3://wire/small.json' iam_role default format json 'auto'"
BROKEN = "copy plays from 's3://wire/broken.json' iam_role default format json 'auto'"
LARGE = "copy plays from 's3://wire/large.json.zst' iam_role default format json 'auto' zstd"


def count(connection: Any) -> int:
    cursor = connection.cursor()
    cursor.execute("select count(*) from plays")
    return int(cursor.fetchone()[0])


def test_a_copy_belongs_to_its_transaction(connect: Connect, plays: Any) -> None:
    loader = connect()
    cursor = loader.cursor()
    cursor.execute(SMALL)
    assert cursor.rowcount == -1  # as with Redshift
    cursor.execute("select pg_last_copy_count()")
    assert cursor.fetchone() == [2]
    assert (count(loader), count(plays)) == (2, 0)
    loader.rollback()
    assert count(plays) == 0
    cursor.execute(SMALL)
    loader.commit()
    assert count(plays) == 2


def test_a_copy_tells_how_many_rows_it_loaded(plays: Any) -> None:
    plays.cursor().execute(SMALL)
    assert b"Load into table 'plays' completed, 2 record(s) loaded successfully." in plays.notices[-1][b"M"]


def test_a_copy_that_fails_fails_its_transaction_and_loads_nothing(connect: Connect, plays: Any) -> None:
    loader = connect()
    cursor = loader.cursor()
    cursor.execute("insert into plays values (9)")
    with pytest.raises(redshift_connector.ProgrammingError, match="sys_load_error_detail"):
        cursor.execute(BROKEN)
    with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
        cursor.execute("select 1")
    loader.rollback()
    with pytest.raises(redshift_connector.ProgrammingError):
        plays.cursor().execute(BROKEN)
    assert count(plays) == 0


def test_copy_works_over_the_simple_protocol_and_beside_other_statements(
    sandbox: Endpoint, database: str, plays: Any
) -> None:
    with WireClient(sandbox, database) as client:
        client.query(f"insert into plays values (0); {SMALL}")
        assert error(client.query(f"insert into plays values (0); {BROKEN}"))[0] == "XX000"
    assert count(plays) == 3


@pytest.mark.parametrize("way", ["cancel request", "pg_cancel_backend", "statement_timeout"])
def test_a_copy_is_cancelled_while_it_loads(
    connect: Connect, plays: Any, way: str, sandbox: Endpoint
) -> None:
    loader = connect()
    loader.autocommit = True
    cursor = loader.cursor()
    cursor.execute("select pg_backend_pid()")
    (process_id,) = cursor.fetchone()
    if way == "cancel request":
        other = WireClient(sandbox, "dev")
        other.key = loader._backend_key_data
        threading.Timer(0.3, other.cancel).start()
    elif way == "pg_cancel_backend":
        sql = f"select pg_cancel_backend({process_id})"
        threading.Timer(0.3, connect().cursor().execute, [sql]).start()
    else:
        cursor.execute("set statement_timeout to 300")
    with pytest.raises(redshift_connector.ProgrammingError, match="cancelled on user's request") as cancelled:
        cursor.execute(LARGE)
    assert cancelled.value.args[0]["C"] == "57014"
    cursor.execute("select 1")
    assert cursor.fetchall() == ([1],)
    assert count(plays) == 0
    if way == "cancel request":
        other.socket.close()


def test_a_client_that_vanishes_during_a_copy_in_a_transaction_rolls_it_back(
    connect: Connect, plays: Any
) -> None:
    loader = connect()
    loader.cursor().execute("lock plays")
    threading.Timer(0.3, loader._usock.shutdown, [socket.SHUT_RDWR]).start()
    with pytest.raises(redshift_connector.InterfaceError):
        loader.cursor().execute(LARGE)
    other = connect()
    other.cursor().execute("lock plays")  # would wait for it
    assert count(other) == 0


def test_a_copy_outside_of_a_transaction_goes_on_when_its_client_vanishes(
    connect: Connect, plays: Any
) -> None:
    loader = connect()
    loader.autocommit = True
    threading.Timer(0.3, loader._usock.shutdown, [socket.SHUT_RDWR]).start()
    with pytest.raises(redshift_connector.InterfaceError):
        loader.cursor().execute(LARGE)
    deadline = time.monotonic() + 60
    while count(plays) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert count(plays) == MANY


@pytest.mark.parametrize(
    ("fault", "loaded"),
    [
        ({"action": "drop"}, 0),
        ({"action": "drop", "when": "during", "seconds": 0.3}, MANY),
        ({"action": "drop", "when": "after"}, MANY),
    ],
)
def test_a_fault_drops_the_connection_of_a_copy(
    connect: Connect, plays: Any, fault: dict[str, Any], loaded: int
) -> None:
    plays.cursor().execute(f"call sandbox.fault('{json.dumps({**fault, 'match': '^copy'})}')")
    loader = connect()
    loader.autocommit = True
    with pytest.raises(redshift_connector.InterfaceError, match="server socket closed"):
        loader.cursor().execute(LARGE)
    deadline = time.monotonic() + 60
    while count(plays) != loaded:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_other_clients_are_answered_while_a_copy_runs(connect: Connect, plays: Any) -> None:
    loader = connect()
    loader.autocommit = True
    loading = threading.Thread(target=loader.cursor().execute, args=[LARGE])
    loading.start()
    asked = 0
    while loading.is_alive():
        assert count(plays) in (0, MANY)
        asked += 1
    loading.join()
    assert asked > 5


def test_a_large_copy_takes_little_memory(sandbox: Endpoint, plays: Any) -> None:
    plays.cursor().execute(SMALL)
    before = highest_memory(sandbox)
    plays.cursor().execute(LARGE)
    assert highest_memory(sandbox) - before < 64 * 1024


def test_a_copy_that_is_cancelled_at_whatever_moment_leaves_no_session(
    plays: Any, sandbox: Endpoint, database: str
) -> None:
    with WireClient(sandbox, database) as loader:
        loader.query(SMALL)
        started = time.monotonic()
        loader.query(SMALL)
        seconds = time.monotonic() - started
        for moment in range(100):
            late = threading.Timer(seconds * moment / 80, loader.cancel)
            late.start()
            loader.query(SMALL)
            late.join()
    cursor = plays.cursor()
    deadline = time.monotonic() + 20
    while True:
        cursor.execute("select count(*) from pg_stat_activity where datname = current_database()")
        (sessions,) = cursor.fetchone()
        if sessions == 1 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert sessions == 1
