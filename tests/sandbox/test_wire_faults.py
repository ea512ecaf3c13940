"""Failures on demand: each kind, which statement it strikes, and the log of statements."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redshift_connector

from redshift_sandbox import Endpoint
from tests.sandbox.wire_client import ENDLESS, Connect, WireClient, error

pytestmark = pytest.mark.sandbox_only

LOST = pytest.raises(redshift_connector.InterfaceError, match="server socket closed")


@pytest.fixture
def control(warehouse: Any) -> Any:
    """An autocommit connection with the empty table plays."""
    warehouse.autocommit = True
    warehouse.cursor().execute("create table plays (number integer)")
    return warehouse


def arm(control: Any, **fault: object) -> None:
    control.cursor().execute(f"call sandbox.fault('{json.dumps(fault)}')")


def numbers(control: Any) -> list[int]:
    cursor = control.cursor()
    cursor.execute("select number from plays order by 1")
    return [row[0] for row in cursor.fetchall()]


def insert(connection: Any, number: int) -> None:
    connection.cursor().execute(f"insert into plays values ({number})")


def test_a_drop_before_a_statement_keeps_it_from_running(connect: Connect, control: Any) -> None:
    victim = connect()
    victim.autocommit = True
    arm(control, action="drop", match="insert into plays")
    with LOST:
        insert(victim, 1)
    assert numbers(control) == []


def test_a_drop_after_a_statement_loses_its_answer_only(connect: Connect, control: Any) -> None:
    victim = connect()
    victim.autocommit = True
    arm(control, action="drop", when="after", match="insert into plays")
    with LOST:
        insert(victim, 1)
    assert numbers(control) == [1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_drop_within_a_transaction_rolls_it_back(connect: Connect, control: Any, when: str) -> None:
    victim = connect()
    insert(victim, 1)
    arm(control, action="drop", when=when, match="insert into plays")
    with LOST:
        insert(victim, 2)
    assert numbers(control) == []


def test_a_drop_during_a_statement_rolls_its_transaction_back(connect: Connect, control: Any) -> None:
    victim = connect()
    insert(victim, 1)
    arm(control, action="drop", when="during", seconds=0.1, match="digits")
    with LOST:
        victim.cursor().execute(ENDLESS)
    control.cursor().execute("truncate plays")  # would wait for it


def test_a_commit_whose_answer_is_lost_has_committed(connect: Connect, control: Any) -> None:
    victim = connect()
    insert(victim, 1)
    arm(control, action="lose_commit")
    insert(victim, 2)
    with LOST:
        victim.commit()
    assert numbers(control) == [1, 2]


def test_a_dropped_commit_has_not_committed(connect: Connect, control: Any) -> None:
    victim = connect()
    insert(victim, 1)
    arm(control, action="drop", match="^commit")
    with LOST:
        victim.commit()
    assert numbers(control) == []


def test_error_1023_reads_as_redshift_raises_it(connect: Connect, control: Any) -> None:
    victim = connect()
    insert(victim, 1)
    arm(control, action="serialization_failure", match="insert into plays")
    with pytest.raises(redshift_connector.ProgrammingError) as failure:
        insert(victim, 2)
    fields = failure.value.args[0]
    assert (fields["S"], fields["C"], fields["M"]) == ("ERROR", "XX000", "1023")
    assert fields["D"].startswith("Serializable isolation violation on table - ")
    with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
        insert(victim, 3)
    victim.rollback()
    insert(victim, 4)
    victim.commit()
    assert numbers(control) == [4]


def test_a_conflict_at_the_commit_rolls_everything_back(connect: Connect, control: Any) -> None:
    victim = connect()
    insert(victim, 1)
    arm(control, action="conflict", match="^commit")
    with pytest.raises(redshift_connector.ProgrammingError, match="conflict with concurrent transaction"):
        victim.commit()
    assert not victim.in_transaction
    assert numbers(control) == []


def test_any_error_can_be_asked_for(control: Any) -> None:
    arm(control, action="error", sqlstate="53100", message="Disk Full", match="select 1")
    with pytest.raises(redshift_connector.ProgrammingError) as failure:
        control.cursor().execute("select 1")
    assert failure.value.args[0] == {"S": "ERROR", "C": "53100", "M": "Disk Full"}


def test_a_delay_comes_before_the_statement(control: Any) -> None:
    arm(control, action="delay", seconds=0.4, match="insert")
    started = time.monotonic()
    insert(control, 1)
    assert time.monotonic() - started >= 0.4
    assert numbers(control) == [1]


def test_the_nth_statement_is_struck_and_as_many_after_it_as_asked_for(control: Any) -> None:
    arm(control, action="error", match="insert", nth=3, times=2)
    failed = []
    for number in range(1, 7):
        try:
            insert(control, number)
        except redshift_connector.ProgrammingError:
            failed.append(number)
    assert failed == [3, 4]
    assert numbers(control) == [1, 2, 5, 6]


def test_every_statement_counts_when_no_pattern_is_given(connect: Connect, control: Any) -> None:
    arm(control, action="drop", nth=3)
    victim = connect()
    insert(victim, 1)  # with the driver's own "begin transaction" before it
    with LOST:
        victim.commit()
    assert numbers(control) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_each_statement_of_a_client_can_be_struck_in_turn(connect: Connect, control: Any, when: str) -> None:
    def work() -> None:
        connection = connect(application_name="worker")
        insert(connection, 1)
        insert(connection, 2)
        connection.commit()

    work()
    cursor = control.cursor()
    cursor.execute(
        "select count(*) from sandbox.statements "
        "where application = 'worker' and database = current_database()"
    )
    (statements,) = cursor.fetchone()
    assert statements == 4
    outcomes = []
    for nth in range(1, statements + 1):
        cursor.execute("delete from plays")
        arm(control, action="drop", when=when, nth=nth, application="^worker$")
        with LOST:
            work()
        outcomes.append(numbers(control))
    committed = [1, 2] if when == "after" else []
    assert outcomes == [[], [], [], committed]


def test_an_application_and_a_connection_can_be_singled_out(connect: Connect, control: Any) -> None:
    worker, bystander = connect(application_name="sparkify load"), connect(application_name="report")
    cursor = worker.cursor()
    cursor.execute("select pg_backend_pid()")
    (process_id,) = cursor.fetchone()
    arm(control, action="error", application="^sparkify", match="select 7")
    arm(control, action="error", connection=process_id, match="select 8")
    for sql in ("select 7", "select 8"):
        bystander.cursor().execute(sql)
        with pytest.raises(redshift_connector.ProgrammingError, match="a fault that was asked for"):
            worker.cursor().execute(sql)
        worker.rollback()


def test_faults_stay_in_their_database_and_can_be_cleared(administrator: Any, control: Any) -> None:
    arm(control, action="error", match="select")
    administrator.cursor().execute("select 1")
    control.cursor().execute("call sandbox.clear_faults()")
    assert numbers(control) == []


def test_faults_strike_over_the_simple_protocol_too(sandbox: Endpoint, database: str, control: Any) -> None:
    arm(control, action="conflict", match="insert")
    with WireClient(sandbox, database) as client:
        assert error(client.query("insert into plays values (1)"))[0] == "XX000"
        arm(control, action="drop", when="after", match="insert")
        with pytest.raises(ConnectionError):
            client.query("insert into plays values (2)")
    assert numbers(control) == [2]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ('{"action": "explode"}', "Invalid enum value 'explode'"),
        ('{"action": "drop", "nht": 2}', "unknown field `nht`"),
        ('{"action": "drop", "nth": 0}', "nth and times count from 1"),
        ('{"action": "delay"}', "how many seconds"),
        ('{"action": "drop", "match": "("}', "unterminated subpattern"),
        ("drop", "JSON is malformed"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(control: Any, fault: str, complaint: str) -> None:
    with pytest.raises(redshift_connector.ProgrammingError) as refused:
        control.cursor().execute(f"call sandbox.fault('{fault}')")
    assert refused.value.args[0]["C"] == "22023"
    assert complaint in refused.value.args[0]["M"]


def test_the_log_has_every_statement_with_its_outcome(connect: Connect, control: Any, database: str) -> None:
    worker = connect(application_name="worker")
    insert(worker, 1)
    worker.commit()
    with pytest.raises(redshift_connector.ProgrammingError):
        worker.cursor().execute("select missing")
    worker.rollback()
    arm(control, action="drop", application="worker", match="select 2")
    worker.autocommit = True
    with LOST:
        worker.cursor().execute("select 2")
    cursor = control.cursor()
    cursor.execute(f"""
        select sql, command_tag, sqlstate, fault from sandbox.statements
        where database = '{database}' and application = 'worker' order by number
    """)
    assert [tuple(row) for row in cursor.fetchall()] == [
        ("begin transaction", "BEGIN", None, None),
        ("insert into plays values (1)", "INSERT 0 1", None, None),
        ("commit", "COMMIT", None, None),
        ("begin transaction", "BEGIN", None, None),
        ("select missing", None, "42703", None),
        ("rollback", "ROLLBACK", None, None),
        ("select 2", None, None, "drop"),
    ]


def test_the_log_hides_secrets(control: Any) -> None:
    with pytest.raises(redshift_connector.ProgrammingError):
        control.cursor().execute(
            "copy plays from 's3://x' access_key_id 'AKIA' secret_access_key 'hush' json 'auto'"
        )
    cursor = control.cursor()
    cursor.execute("select sql from sandbox.statements where sql like 'copy plays from ''s3://x''%'")
    assert [row[0] for row in cursor.fetchall()] == [
        "copy plays from 's3://x' access_key_id '***' secret_access_key '***' json 'auto'"
    ]
