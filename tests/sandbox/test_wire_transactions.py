"""Transactions as under Redshift's SNAPSHOT isolation: what they see, what conflicts, who waits."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redshift_connector

from tests.sandbox.wire_client import ENDLESS, Connect

CONFLICT = {
    "S": "ERROR",
    "C": "XX000",
    "M": "could not complete because of conflict with concurrent transaction",
}


@pytest.fixture
def plays(warehouse: Any) -> Any:
    """A connection in autocommit mode, and the table plays with the days 1 and 2."""
    warehouse.autocommit = True
    cursor = warehouse.cursor()
    cursor.execute("create table plays (day integer, title varchar(40))")
    cursor.execute("insert into plays values (1, 'one'), (2, 'two')")
    cursor.execute("create table turn (number integer)")
    return warehouse


def rows(connection: Any, sql: str = "select day, title from plays order by 1, 2") -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def run(connection: Any, *statements: str) -> None:
    for sql in statements:
        connection.cursor().execute(sql)


@pytest.mark.parametrize(
    "second", ["update plays set title = 'again' where day = 1", "delete from plays where day = 1"]
)
def test_two_transactions_that_change_the_same_rows_conflict(
    connect: Connect, plays: Any, second: str
) -> None:
    first, other = connect(), connect()
    run(first, "update plays set title = 'first' where day = 1")
    run(other, "select count(*) from plays")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, other, second)
        _is_waiting(waiting)
        first.commit()
        with pytest.raises(redshift_connector.ProgrammingError) as conflict:
            waiting.result(10)
    assert conflict.value.args[0] == CONFLICT
    other.rollback()
    assert rows(plays) == [(1, "first"), (2, "two")]


def test_the_second_goes_on_when_the_first_rolls_back(connect: Connect, plays: Any) -> None:
    first, other = connect(), connect()
    run(first, "delete from plays where day = 1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, other, "update plays set title = 'second' where day = 1")
        _is_waiting(waiting)
        first.rollback()
        waiting.result(10)
    other.commit()
    assert rows(plays) == [(1, "second"), (2, "two")]


def test_two_transactions_that_change_different_rows_both_succeed(connect: Connect, plays: Any) -> None:
    first, other = connect(), connect()
    run(first, "update plays set title = 'first' where day = 1")
    run(other, "delete from plays where day = 2")
    first.commit()
    other.commit()
    assert rows(plays) == [(1, "first")]


def test_two_transactions_that_load_the_same_new_day_do_not_conflict_and_duplicate_it(
    connect: Connect, plays: Any
) -> None:
    first, other = connect(), connect()
    for connection in (first, other):
        run(connection, "delete from plays where day = 3", "insert into plays values (3, 'three')")
    first.commit()
    other.commit()
    assert rows(plays, "select day, title from plays where day = 3") == [(3, "three"), (3, "three")]


def test_a_lock_taken_first_makes_them_take_turns(connect: Connect, plays: Any) -> None:
    first, other = connect(), connect()
    load = ("lock turn", "delete from plays where day = 3", "insert into plays values (3, 'three')")
    run(first, *load)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, other, *load)
        _is_waiting(waiting)
        first.commit()
        waiting.result(10)
    other.commit()
    assert rows(plays, "select day, title from plays where day = 3") == [(3, "three")]


def test_the_snapshot_is_made_by_the_first_statement_that_reads_not_by_begin_nor_lock(
    connect: Connect, plays: Any
) -> None:
    late, early = connect(), connect()
    run(late, "lock turn")
    run(early, "select 1 from plays")
    run(plays, "insert into plays values (3, 'three')")
    assert (3, "three") in rows(late)
    assert (3, "three") not in rows(early)
    run(plays, "insert into plays values (4, 'four')")
    assert (4, "four") not in rows(late)
    late.commit()
    assert (4, "four") in rows(late)


@pytest.mark.parametrize(
    "statement", ["create table fresh (number integer)", "drop table spare", "insert into turn values (1)"]
)
def test_a_statement_that_writes_makes_the_snapshot_too(connect: Connect, plays: Any, statement: str) -> None:
    run(plays, "create table spare (number integer)")
    writer = connect()
    run(writer, statement)
    run(plays, "insert into plays values (3, 'three')")
    assert rows(writer) == [(1, "one"), (2, "two")]


def test_a_reader_neither_waits_for_a_writer_nor_sees_what_is_not_committed(
    connect: Connect, plays: Any
) -> None:
    writer = connect()
    run(writer, "delete from plays", "insert into plays values (9, 'nine')")
    assert rows(plays) == [(1, "one"), (2, "two")]
    writer.commit()
    assert rows(plays) == [(9, "nine")]


def test_truncate_commits_the_transaction_it_is_in(connect: Connect, plays: Any) -> None:
    writer = connect()
    run(writer, "insert into turn values (1)", "truncate plays")
    assert not writer.in_transaction
    run(writer, "insert into turn values (2)")
    writer.rollback()
    assert (rows(plays), rows(plays, "select number from turn")) == ([], [(1,)])


def test_a_client_that_vanishes_in_a_transaction_rolls_it_back(connect: Connect, plays: Any) -> None:
    writer = connect()
    run(writer, "lock turn", "delete from plays")
    writer._usock.shutdown(socket.SHUT_RDWR)
    other = connect()
    run(other, "lock turn")  # would wait for it
    assert rows(other) == [(1, "one"), (2, "two")]


def test_a_client_that_vanishes_during_a_statement_of_a_transaction_ends_it(
    connect: Connect, plays: Any
) -> None:
    writer = connect()
    run(writer, "lock turn")
    threading.Timer(0.2, writer._usock.shutdown, [socket.SHUT_RDWR]).start()
    with pytest.raises(redshift_connector.InterfaceError):
        run(writer, ENDLESS)
    other = connect()
    run(other, "lock turn")  # would wait for it


def _is_waiting(future: Future[None]) -> None:
    time.sleep(0.2)
    assert not future.done()
