"""Statements and results over both protocols: values, counts, prepared statements, portals, errors."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
import redshift_connector
from pygwire.messages import Bind, Close, Describe, Execute, Flush, Parse, Sync

from redshift_sandbox import Endpoint
from tests.sandbox.wire_client import Connect, WireClient, error, highest_memory, kinds, rows


def test_values_of_every_type_arrive_as_they_are(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    cursor.execute("""
        create table values_of_types (
            small smallint, whole integer, large bigint, exact numeric(12, 3), single real, double float8,
            yes boolean, text varchar(40), fixed char(4), day date, moment timestamp,
            zoned timestamptz, clock time
        )
    """)
    values = (
        *(-32768, 2147483647, -9223372036854775808, Decimal("-123456789.125"), 0.5, 245.99465),
        *(True, "Björk, 坂本龍一 ♫", "ab  ", date(2018, 11, 30)),
        *(datetime(2018, 11, 2, 1, 25, 34, 796000), datetime(2018, 11, 2, 1, 25, tzinfo=UTC)),
        time(23, 59, 59),
    )  # fmt: skip
    placeholders = ", ".join(["%s"] * len(values))
    cursor.execute(f"insert into values_of_types values ({placeholders})", values)
    cursor.execute(f"insert into values_of_types values ({placeholders})", (None,) * len(values))
    cursor.execute("select * from values_of_types order by small nulls last")
    assert cursor.fetchall() == (list(values), [None] * len(values))


def test_rowcount_is_that_of_redshift(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    counts = []
    for sql in (
        "create table plays (number integer)",
        "insert into plays values (1), (2), (3)",
        "update plays set number = number + 1 where number > 1",
        "delete from plays where number = 1",
        "select * from plays",
    ):
        cursor.execute(sql)
        counts.append((cursor.rowcount, cursor.redshift_rowcount))
    # Before version 8.2, PostgreSQL did not count what a SELECT returns; the driver counts itself.
    assert counts == [(-1, -1), (3, 3), (2, 2), (1, 1), (-1, 2)]


def test_a_prepared_statement_is_used_again_with_other_values(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    for number in range(5):
        cursor.execute("select %s + 1, %s", (number, f"value {number}"))
        assert cursor.fetchall() == ([number + 1, f"value {number}"],)


def test_an_error_leaves_the_connection_usable(warehouse: Any) -> None:
    warehouse.autocommit = True
    cursor = warehouse.cursor()
    with pytest.raises(redshift_connector.ProgrammingError) as failed:
        cursor.execute("select missing_column")
    assert failed.value.args[0] == {"S": "ERROR", "C": "42703", "M": 'column "missing_column" does not exist'}
    cursor.execute("select 1")
    assert cursor.fetchall() == ([1],)


def test_an_error_within_a_transaction_fails_the_rest_of_it(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    with pytest.raises(redshift_connector.ProgrammingError, match="division by zero"):
        cursor.execute("select 1 / 0")
    with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
        cursor.execute("select 1")
    warehouse.rollback()
    cursor.execute("select 1")
    assert cursor.fetchall() == ([1],)


@pytest.mark.sandbox_only
@pytest.mark.parametrize("refused", ["selec 1", "listen channel", "copy plays from stdin"])
def test_what_the_sandbox_itself_refuses_fails_the_transaction_too(warehouse: Any, refused: str) -> None:
    cursor = warehouse.cursor()
    cursor.execute("create table plays (number integer)")
    with pytest.raises(redshift_connector.ProgrammingError):
        cursor.execute(refused)
    with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
        cursor.execute("select 1")
    warehouse.rollback()
    with pytest.raises(redshift_connector.ProgrammingError, match='relation "plays" does not exist'):
        cursor.execute("select * from plays")


def test_a_result_of_a_million_rows_streams(sandbox: Endpoint, warehouse: Any) -> None:
    cursor = warehouse.cursor()
    cursor.execute(
        "create table digits as " + " union all ".join(f"select {digit} as digit" for digit in range(10))
    )
    many = "select a.digit, 'some words that take a little room' from " + ", ".join(
        f"digits {x}" for x in "abcdef"
    )
    before = highest_memory(sandbox)
    cursor.execute(many)
    assert len(cursor.fetchall()) == 1_000_000
    assert highest_memory(sandbox) - before < 32 * 1024


def test_the_simple_protocol_runs_several_statements_as_one_transaction(
    sandbox: Endpoint, database: str, connect: Connect
) -> None:
    with WireClient(sandbox, database) as client:
        assert (
            kinds(client.query("create table plays (number integer); insert into plays values (1)")) == "CCZ"
        )
        failed = client.query("insert into plays values (2); select 1 / 0; insert into plays values (3)")
        assert (kinds(failed), error(failed)[0]) == ("CEZ", "22012")
        answer = client.query(
            "begin; insert into plays values (4); commit; select number from plays order by 1"
        )
        assert (kinds(answer), rows(answer)) == ("CCCTDCZ", [["1"], ["4"]])
        assert kinds(client.query("  ")) == "IZ"


def test_a_statement_is_prepared_described_and_run_in_one_packet(sandbox: Endpoint, database: str) -> None:
    with WireClient(sandbox, database) as client:
        client.send(
            Parse("named", "select $1::integer + 1 as next", []),
            Describe("S", "named"),
            Bind("", "named", [], [b"41"], []),
            Describe("P", ""),
            Execute("", 0),
            Close("S", "named"),
            Sync(),
        )
        answer = client.until(b"Z")
        assert (kinds(answer), rows(answer)) == ("1tT2TDC3Z", [["42"]])


def test_a_flush_is_answered_without_a_sync(sandbox: Endpoint, database: str) -> None:
    with WireClient(sandbox, database) as client:
        client.send(Parse("", "select 1", []), Flush())
        assert client.receive()[0] == b"1"
        client.send(Bind(), Execute(), Sync())
        assert kinds(client.until(b"Z")) == "2DCZ"


def test_a_portal_is_read_in_parts(sandbox: Endpoint, database: str) -> None:
    with WireClient(sandbox, database) as client:
        client.query("begin")
        client.send(
            Parse("", "select 1 as n union all select 2 union all select 3 order by n", []),
            Bind("part", "", [], [], []),
            Execute("part", 2),
            Execute("part", 2),
            Sync(),
        )
        answer = client.until(b"Z")
        assert (kinds(answer), rows(answer)) == ("12DsDCZ", [["1"], ["2"], ["3"]])


def test_after_an_error_everything_up_to_the_sync_is_skipped(sandbox: Endpoint, database: str) -> None:
    with WireClient(sandbox, database) as client:
        client.send(Parse("", "select 1 / 0", []), Bind(), Execute())
        client.send(Parse("", "select 1", []), Bind(), Execute(), Sync())
        answer = client.until(b"Z")
        assert (kinds(answer), error(answer)[0]) == ("1EZ", "22012")
        client.send(Parse("", "select 1 2 3 from", []), Bind(), Execute(), Sync())
        answer = client.until(b"Z")
        assert (kinds(answer), error(answer)[0]) == ("EZ", "42601")
        assert rows(client.query("select 'and on'")) == [["and on"]]


def test_a_thousand_statements_are_sent_before_the_first_answer_is_read(
    sandbox: Endpoint, database: str
) -> None:
    with WireClient(sandbox, database) as client:
        for number in range(1000):
            client.send(Parse("", f"select {number}", []), Bind(), Execute())
        client.send(Sync())
        assert rows(client.until(b"Z")) == [[str(number)] for number in range(1000)]


def test_a_statement_as_long_as_redshift_takes_passes(warehouse: Any) -> None:
    text = "x" * 8_000_000
    cursor = warehouse.cursor()
    cursor.execute(f"select octet_length('{text}')")
    assert cursor.fetchall() == ([8_000_000],)
