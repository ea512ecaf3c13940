"""What the worker repeats itself, what it does not, how long it waits, and two that do one thing at once."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import tenacity

from sparkify import warehouse as worker
from sparkify.log import Log
from sparkify.settings import Settings
from tests.command import end
from tests.faults.s3_proxy import Exchange, s3_proxy
from tests.star.conftest import Pipeline, day_key
from tests.star.test_readers_and_writers import fault, star_counts
from tests.worker.staging import DAY, line, rows, song

EVENTS = ("stage", "events", "--date", DAY)
LOAD = ("load", "--date", DAY)
CHECK = ("check", "--date", DAY)


def step_of(command: tuple[str, ...]) -> str:
    """The step's name in the log and in the connection's, without its day."""
    return "_".join(command[: command.index("--date")] if "--date" in command else command)


# SQLSTATE, message, the exit code when it is met once, and what the log says.
ERRORS = [
    ("40001", "could not serialize access", 0, "could not serialize access (40001)"),
    ("XX000", "ERROR: 1023 DETAIL: Serializable isolation violation on table", 0, "on table (XX000)"),
    ("XX000", "could not complete because of conflict with concurrent transaction", 0, "transaction (XX000)"),
    ("XX000", "could not open relation with OID 16999", 0, "OID 16999 (XX000)"),
    ("40P01", "deadlock detected", 0, "deadlock detected (40P01)"),
    ("57P01", "terminating connection due to administrator command", 0, "command (57P01)"),
    ("53300", "too many connections", 0, "too many connections (53300)"),
    ("08006", "connection failure", 0, "connection failure (08006)"),
    ("XX000", "S3ServiceException:Slow Down,Status 503,Error SlowDown", 0, "Error SlowDown (XX000)"),
    ("57014", "canceled on user request", 75, "SPARKIFY_STATEMENT_TIMEOUT sets the limit"),
    ("XX000", "an internal error", 1, "warehouse: an internal error (XX000)"),
    ("22001", "value too long for type character varying(1023)", 1, "varying(1023) (22001)"),
    ("XX000", "Query (1023) failed", 1, "warehouse: Query (1023) failed (XX000)"),
    ("42501", "permission denied", 64, "permission denied; grant the right to SPARKIFY_WAREHOUSE_USER"),
    ("XX000", "S3ServiceException:Denied,Status 403,Error AccessDenied", 64, "COPY may not read S3: Denied"),
]


def test_what_passes_is_repeated_whole_and_all_else_fails_at_once_with_its_reason(
    pipeline: Pipeline, warehouse: Any
) -> None:
    found = []
    for number, (sqlstate, message, code, said) in enumerate(ERRORS):
        pipeline.put_day(DAY, line(sessionId=number) + "\n")
        fault(warehouse, action="error", sqlstate=sqlstate, message=message, match="insert into staged_files")
        ended = pipeline.run(*EVENTS)
        repeated = ended.log.count("repeating the whole transaction")
        staged = rows(warehouse, f"select count(*) from staging_events where session_id = {number}")
        found.append((sqlstate, message, ended.code, said if said in ended.log else ended.log))
        assert (repeated, staged) == ((1, [[1]]) if code == 0 else (0, [[0]]))
    assert found == ERRORS


def test_each_error_that_passes_is_met_by_a_test_and_has_a_page() -> None:
    fitting = [
        [each for each in worker.PASSING if each.fits(sqlstate, message)] for sqlstate, message, *_ in ERRORS
    ]
    assert [bool(each) for each in fitting] == [code == 0 for *_, code, _ in ERRORS]
    assert {page for each in fitting for page in each} == set(worker.PASSING)
    assert all(each.page.startswith("https://") for each in worker.PASSING)


def test_what_only_reads_is_repeated_too(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    pipeline.day(DAY)
    fault(warehouse, action="drop", match="select", application="sparkify")
    ended = pipeline.done("check", "--date", DAY)
    assert ended.log.count("repeating the whole transaction") == 1


def test_no_attempt_is_begun_once_the_time_limit_of_a_statement_is_over(
    pipeline: Pipeline, warehouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.tenacity, "stop_after_delay", lambda seconds: lambda tried: True)
    fault(warehouse, action="conflict", match="loads")
    pipeline.put_day(DAY, line() + "\n")
    pipeline.done(*EVENTS)
    ended = pipeline.run(*LOAD)
    assert ended.code == 75
    assert "gave up after 1 attempts" in ended.log


def test_pauses_grow_and_differ() -> None:
    """So that many who met one fault do not come back at once."""
    tried = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    longest = []
    for number in range(1, worker.ATTEMPTS):
        tried.attempt_number = number
        pauses = {worker._PAUSE(tried) for _ in range(1000)}
        assert len(pauses) > 500
        longest.append(max(pauses))
    assert [round(pause, 1) for pause in longest] == [0.4, 0.8, 1.6, 3.2]


def test_a_file_that_changes_at_each_try_is_given_up(pipeline: Pipeline, warehouse: Any) -> None:
    class Changing(Exchange):
        number = count()

        def pass_on(self) -> None:
            if self.command == "GET" and self.name.startswith(f"get {day_key(DAY)}"):
                pipeline.put_day(DAY, line(sessionId=next(self.number)) + "\n")
            super().pass_on()

    pipeline.put_day(DAY, line() + "\n")
    with s3_proxy(pipeline.environment["AWS_ENDPOINT_URL_S3"], Changing) as proxy:
        ended = pipeline.run(*EVENTS, AWS_ENDPOINT_URL_S3=proxy.endpoint)
    assert ended.code == 75
    assert ended.log.count("beginning again") == 5
    assert "gave up after 5 tries: the objects or the staging tables keep changing" in ended.log
    assert rows(warehouse, "select * from staging_versions") == []


def test_a_connection_is_kept_alive_below_the_300_seconds_after_which_it_would_be_forgotten(
    pipeline: Pipeline,
) -> None:
    """An idle connection is forgotten after 300 seconds or more by what stands between."""
    settings = Settings.from_env(pipeline.environment)
    with worker.connect(settings, Log("test", "test")) as connection:
        connected: socket.socket = connection._usock
        alive = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, count = (
            connected.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert connected.gettimeout() == 1800 + 60
    assert alive == 1
    assert idle + interval * count < 300


def test_a_statement_that_hangs_is_cancelled_at_the_time_limit(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    pipeline.done(*EVENTS)
    warehouse.cursor().execute("lock lock_star")
    ended = pipeline.run(*LOAD, SPARKIFY_STATEMENT_TIMEOUT="1")
    warehouse.rollback()
    assert ended.code == 75
    assert "SPARKIFY_STATEMENT_TIMEOUT sets the limit" in ended.log
    assert star_counts(warehouse) == (0, 0, 0, 0, 0)


def test_a_server_that_falls_silent_is_given_up_and_its_statement_is_cancelled(
    pipeline: Pipeline, warehouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox delays the statement itself, so the server's own time limit does not count it."""
    pipeline.put_day(DAY, line() + "\n")
    pipeline.done(*EVENTS)
    monkeypatch.setattr(worker, "_SILENT_SECONDS", 1)
    fault(warehouse, action="delay", seconds=600, match="insert into songplays")
    ended = pipeline.run(*LOAD, SPARKIFY_STATEMENT_TIMEOUT="1")
    assert ended.code == 75
    assert "cancelled the statement in flight" in ended.log
    assert "gave up after 1 attempts: " in ended.log
    assert star_counts(warehouse) == (0, 0, 0, 0, 0)
    pipeline.done(*LOAD)
    assert star_counts(warehouse) == (1, 1, 0, 0, 1)


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not happened():
        assert process.poll() is None, end(process).log
        time.sleep(0.02)


def logged(warehouse: Any, beginning: str, application: str) -> bool:
    query = (
        f"select count(*) from sandbox.statements where sql like '{beginning}%' "
        f"and application = '{application}' and database = current_database()"
    )
    return int(rows(warehouse, query)[0][0]) > 0


@pytest.mark.parametrize(
    ("command", "lock", "asked"),
    [
        (EVENTS, "lock lock_staging_events", "select version from staging_versions"),
        (LOAD, "lock lock_star", "select load_id from loads"),
    ],
    ids=["stage events", "load"],
)
def test_the_ledger_is_asked_under_the_lock(
    command: tuple[str, ...], lock: str, asked: str, pipeline: Pipeline, warehouse: Any
) -> None:
    """Before, the first transaction may still be about to commit."""
    pipeline.put_day(DAY, line() + "\n")
    if command is LOAD:
        pipeline.done(*EVENTS)
    step = step_of(command)
    fault(warehouse, action="lose_commit", application=f"sparkify {step}")
    pipeline.done(*command)
    sent = rows(
        warehouse,
        f"select sql from sandbox.statements where application = 'sparkify {step}' "
        "and database = current_database()",
    )
    words = [" ".join(re.sub("--[^\n]*", "", sql).split()) for (sql,) in sent]
    last = len(words) - 1 - words[::-1].index(lock)
    assert words.count(lock) == 2
    assert [sql.startswith(asked) for sql in words[last + 1 :]] == [True]


@pytest.mark.parametrize(
    ("command", "lock", "first"),
    [
        (("stage", "songs"), "lock lock_staging_songs", "delete from staging_songs"),
        (EVENTS, "lock lock_staging_events", "delete from staging_events"),
        (LOAD, "lock lock_star", "insert into loads"),
        (CHECK, "lock lock_statistics", "delete from column_statistics"),
    ],
    ids=["stage songs", "stage events", "load", "check"],
)
def test_beside_a_pod_that_was_thought_dead_another_fails_cleanly_and_the_first_ends_whole(
    command: tuple[str, ...], lock: str, first: str, pipeline: Pipeline, warehouse: Any
) -> None:
    """The first stands still in the middle of its transaction, as on a node that is lost, and comes back."""
    pipeline.put_day(DAY, line() + "\n")
    pipeline.put("song_data/A/B/C/TR.json", song())
    if command in (LOAD, CHECK):
        pipeline.done(*EVENTS)
    if command is CHECK:
        pipeline.done(*LOAD)
    step = step_of(command)
    fault(warehouse, action="delay", seconds=3, match=first)
    dead = pipeline.start(*command)
    wait_for(lambda: logged(warehouse, lock, f"sparkify {step}"), dead)
    dead.send_signal(signal.SIGSTOP)
    second = pipeline.run(*command, SPARKIFY_STATEMENT_TIMEOUT="1")
    assert second.code == 75
    assert "SPARKIFY_STATEMENT_TIMEOUT sets the limit" in second.log
    dead.send_signal(signal.SIGCONT)
    assert end(dead).code == 0
    pipeline.day(DAY)
    assert star_counts(warehouse) == (1, 1, 1, 1, 1)
    assert rows(warehouse, "select source_line from staging_events") == [[1]]
    assert rows(warehouse, "select source_line from staging_songs") == [[1]]


def test_a_pod_that_was_thought_dead_sees_that_another_staged_and_begins_again(
    pipeline: Pipeline, warehouse: Any
) -> None:
    """It stood still after its parts were written and before its transaction; the file changed meanwhile."""
    pipeline.put_day(DAY, line() + "\n")
    dead = pipeline.start(*EVENTS)
    assert dead.stderr
    for logged_line in dead.stderr:
        if "listed" in logged_line:
            break
    dead.send_signal(signal.SIGSTOP)
    pipeline.put_day(DAY, line(itemInSession=2) + "\n" + line(itemInSession=3) + "\n")
    pipeline.done(*EVENTS)
    dead.send_signal(signal.SIGCONT)
    ended = end(dead)
    assert ended.code == 0
    assert "beginning again" in ended.log
    pipeline.day(DAY)
    assert rows(warehouse, "select item_in_session from staging_events order by 1") == [[2], [3]]
    assert star_counts(warehouse) == (2, 1, 0, 0, 1)
