"""Cancelling what runs: by a cancel request, by SQL, by a time limit."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import redshift_connector

from redshift_sandbox import Endpoint
from tests.sandbox.wire_client import ENDLESS, Connect, WireClient, error, rows


def test_a_cancel_request_ends_the_statement_and_only_it(sandbox: Endpoint, database: str) -> None:
    with WireClient(sandbox, database) as client:
        threading.Timer(0.2, client.cancel).start()
        answer = client.query(ENDLESS)
        process_id = int.from_bytes(client.key[:4], "big")
        assert error(answer) == ("57014", f"Query ({process_id}) cancelled on user's request")
        assert rows(client.query("select 'still here'")) == [["still here"]]


def test_a_cancel_request_ends_the_wait_for_a_lock(
    sandbox: Endpoint, connect: Connect, database: str
) -> None:
    holder = connect()
    holder.cursor().execute("create table turn (number integer)")
    holder.commit()
    holder.cursor().execute("lock turn")
    with WireClient(sandbox, database) as client:
        client.query("begin")
        threading.Timer(0.2, client.cancel).start()
        assert error(client.query("lock turn"))[0] == "57014"
    holder.rollback()


def test_a_cancel_request_with_a_wrong_key_does_nothing(sandbox: Endpoint, database: str) -> None:
    with WireClient(sandbox, database) as client:
        client.key = client.key[:4] + bytes(4)
        started = time.monotonic()
        threading.Timer(0.1, client.cancel).start()
        client.query("set statement_timeout to 600")
        assert error(client.query(ENDLESS))[0] == "57014"
        assert time.monotonic() - started >= 0.6


def test_a_statement_is_cancelled_by_sql_from_another_connection(connect: Connect, warehouse: Any) -> None:
    cursor = warehouse.cursor()
    cursor.execute("select pg_backend_pid()")
    (process_id,) = cursor.fetchone()
    other = connect()
    threading.Timer(0.2, other.cursor().execute, [f"select pg_cancel_backend({process_id})"]).start()
    with pytest.raises(redshift_connector.ProgrammingError, match="cancelled on user's request"):
        cursor.execute(ENDLESS)


def test_statement_timeout_cancels_as_on_redshift(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    cursor.execute("set statement_timeout to 100")
    with pytest.raises(redshift_connector.ProgrammingError, match="cancelled on user's request") as timeout:
        cursor.execute(ENDLESS)
    assert timeout.value.args[0]["C"] == "57014"
