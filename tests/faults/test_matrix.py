"""Every fault at every statement and every request ends in the tables of a clean run.

A clean run of each step is recorded; then each of its statements and S3 requests meets each fault, on a copy
of the warehouse as it was before. The step is repeated as Airflow does it by the exit code, and a person
removes the cause of what Airflow does not repeat. Somebody reads the star all the while.

`make faults` runs all cases; a few of them, each fault at one statement or request of one step, are part of
`make test`.
"""

import os
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.ground import AFTER, CHANGED, FILES, SOURCE, STEPS, Before, Fingerprint, Ground
from tests.faults.s3_proxy import Exchange

WHOLE = os.environ.get("FAULTS") == "whole"
# Airflow's: a step is run again so often.
ATTEMPTS = 4
AGAIN = {75, 143, -signal.SIGKILL}


@dataclass(frozen=True)
class Fault:
    """What goes wrong at a statement, by the sandbox or by a signal, and how the attempt may end."""

    sandbox: dict[str, Any] = field(default_factory=dict)
    signal: int | None = None
    ends: frozenset[int] = frozenset({0, 75})


COMMIT, LOST = "commit", "answer to COMMIT lost"
STATEMENT_FAULTS = {
    "dropped before": Fault({"action": "drop"}),
    "dropped after": Fault({"action": "drop", "when": "after"}),
    LOST: Fault({"action": "lose_commit"}),
    "error 1023": Fault({"action": "serialization_failure"}),
    "conflict": Fault({"action": "conflict"}),
    "no relation with OID": Fault(
        {"action": "error", "sqlstate": "XX000", "message": "could not open relation with OID 16999"}
    ),
    "statement time-out": Fault(
        {"action": "error", "sqlstate": "57014", "message": "Query (1) cancelled on user''s request"},
        ends=frozenset({75}),
    ),
    "kill -9": Fault(signal=signal.SIGKILL, ends=frozenset({-signal.SIGKILL})),
    "SIGTERM": Fault(signal=signal.SIGTERM, ends=frozenset({143})),
}
DENIED, GONE, OTHER = "AccessDenied", "object gone", "ETag changed"
REQUEST_FAULTS: dict[str, Callable[[Exchange], None]] = {
    "503 SlowDown": lambda exchange: exchange.refuse(503, "SlowDown"),
    "time-out": Exchange.hang,
    "400 RequestTimeout": lambda exchange: exchange.refuse(400, "RequestTimeout"),
    "connection reset": Exchange.reset,
    "connection reset after": Exchange.reset_after,
    "body cut short": Exchange.cut,
    DENIED: lambda exchange: exchange.refuse(403, DENIED),
}


ALL_REQUEST_FAULTS = [*REQUEST_FAULTS, OTHER, GONE]


def pairs(steps: Sequence[str], faults: Iterable[str]) -> list[tuple[str, str]]:
    """Each step with each fault; or each fault with one of the steps."""
    return [
        (step, fault)
        for row, step in enumerate(steps)
        for column, fault in enumerate(faults)
        if WHOLE or (row + column) % len(steps) == 0
    ]


@dataclass
class Case:
    """One fault at one place: how it went, and in what way it differs from a clean run."""

    step: str
    fault: str
    number: int
    place: str
    ends: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def repeat(self, attempt: Callable[[], int]) -> None:
        """Make the attempts that Airflow makes by the exit code."""
        while self.ends[-1] in AGAIN and len(self.ends) < ATTEMPTS:
            self.ends.append(attempt())

    def row(self) -> tuple[object, ...]:
        outcome = "; ".join(self.wrong) or "same"
        return self.step, self.fault, self.number, self.place, self.ends[0], len(self.ends), outcome


def chosen(numbers: Sequence[int], fault: str, faults: Sequence[str]) -> Sequence[int]:
    """All of them; or one, another for each fault."""
    if WHOLE:
        return numbers
    return [numbers[(2 * faults.index(fault) + 1) * len(numbers) // (2 * len(faults))]]


def differences(found: Fingerprint, expected: Fingerprint) -> list[str]:
    return [
        f"{table}: {sorted(found[table] - rows)} instead of {sorted(rows - found[table])}"
        for table, rows in expected.items()
        if found[table] != rows
    ]


def repeated(ground: Ground, case: Case, database: str, before: Before, first: Callable[[], int]) -> None:
    """The step's first attempt and those after it, while somebody reads."""
    with ground.reader(database) as reader:
        case.ends.append(first())
        case.repeat(lambda: ground.run(STEPS[case.step], database)[0])
        if case.ends[-1] in (1, 64):  # a person removed the cause
            case.ends.append(ground.run(STEPS[case.step], database)[0])
    if case.ends[-1] != 0:
        case.wrong.append(f"ended {case.ends}")
    if reader.error:
        case.wrong.append(reader.error)
    whole = [before.star] if before.star == before.star_after else [before.star, before.star_after]
    if reader.seen not in ([whole[0]], whole):
        case.wrong.append("a reader saw another star than before and after")


def at_statement(ground: Ground, step: str, name: str, nth: int) -> Case:
    """The nth statement of the step meets a fault."""
    fault, before = STATEMENT_FAULTS[name], ground.steps[step]
    sql = before.statements[nth - 1]
    case = Case(step, name, nth, " ".join(sql.split())[:60])
    database = ground.name()
    ground.copy(before.database, database)
    start = ground.log_size()
    if fault.sandbox:
        counted = before.statements[:nth].count(COMMIT) if name == LOST else nth
        ground.arm(database, {**fault.sandbox, "nth": counted})

    def first() -> int:
        return ground.run(STEPS[step], database, signal=fault.signal, nth=nth)[0]

    repeated(ground, case, database, before, first)
    if fault.sandbox:
        struck = [each["sql"] for each in ground.logged(database, start) if each["fault"]]
        if [as_recorded(each) for each in struck] != [as_recorded(sql)]:
            case.wrong.append(f"struck {struck}")
    if case.ends[0] not in fault.ends:
        case.wrong.append(f"the first attempt ended {case.ends[0]}")
    case.wrong += differences(ground.fingerprint(database), before.after)
    ground.drop(database)
    return case


def as_recorded(sql: str) -> str:
    """A statement without the names of a stage's own objects."""
    return re.sub(r"case-\d+|[0-9a-f]{32}", "*", sql)


def at_request(ground: Ground, step: str, name: str, number: int) -> Case:
    """A request of the step meets a fault; or its file moves right before it is served."""
    before = ground.steps[step]
    request = before.requests[number - 1]
    case = Case(step, name, number, " ".join(map(str, request)))
    database = ground.name()
    ground.copy(before.database, database)
    ground.proxy.begin(request, REQUEST_FAULTS.get(name) or moving(ground, FILES[step], name))

    def first() -> int:
        code, _ = ground.run(STEPS[step], database)
        if not ground.proxy.struck:
            case.wrong.append("the request was not sent")
        if name == GONE:
            ground.put(AFTER)  # it comes back
        return code

    repeated(ground, case, database, before, first)
    # Where a worker may do nothing, 0 is for one that is done and only clears up.
    if case.ends[0] not in ({64, 0} if name == DENIED else {0, 75}):
        case.wrong.append(f"the first attempt ended {case.ends[0]}")
    if name in (OTHER, GONE):  # the next run, which sees a file that moved after it was read
        case.ends.append(ground.run(STEPS[step], database)[0])
    expected = before.changed if name == OTHER else before.after
    case.wrong += differences(ground.fingerprint(database), expected)
    ground.put(AFTER)
    ground.drop(database)
    return case


def moving(ground: Ground, key: str, name: str) -> Callable[[Exchange], None]:
    """The step's file changes, or goes, right before a request is served."""

    def move() -> None:
        if name == GONE:
            ground.remove(key)
        else:
            ground.client.put_object(Bucket=SOURCE, Key=key, Body=CHANGED[key])

    return lambda exchange: exchange.pass_on_after(move)


@pytest.mark.parametrize(("step", "name"), pairs(list(STEPS), STATEMENT_FAULTS))
def test_a_fault_at_any_statement_ends_in_the_tables_of_a_clean_run(
    step: str, name: str, matrix: Ground, record_property: Callable[[str, object], None]
) -> None:
    statements = matrix.steps[step].statements
    numbers = [nth for nth, sql in enumerate(statements, start=1) if name != LOST or sql == COMMIT]
    cases = [at_statement(matrix, step, name, nth) for nth in chosen(numbers, name, list(STATEMENT_FAULTS))]
    finish(record_property, cases)


@pytest.mark.parametrize(("step", "name"), pairs(list(FILES), ALL_REQUEST_FAULTS))
def test_a_fault_at_any_request_to_s3_ends_in_the_tables_of_a_clean_run(
    step: str, name: str, matrix: Ground, record_property: Callable[[str, object], None]
) -> None:
    numbers = range(1, len(matrix.steps[step].requests) + 1)
    cases = [at_request(matrix, step, name, number) for number in chosen(numbers, name, ALL_REQUEST_FAULTS)]
    finish(record_property, cases)


def finish(record_property: Callable[[str, object], None], cases: list[Case]) -> None:
    assert cases
    for case in cases:
        record_property("case", case.row())
    assert [case for case in cases if case.wrong] == []


def test_the_matrix_sees_a_wait_for_a_lock_and_another_row(matrix: Ground) -> None:
    before = matrix.steps["check"]
    database = matrix.name()
    matrix.copy(before.database, database)
    with closing(matrix.connect(database)) as connection:
        connection.autocommit = False
        connection.cursor().execute("lock users")
        with matrix.reader(database) as reader:
            pass
        assert "lock timeout" in str(reader.error)
        connection.cursor().execute("update quarantine set reason = 'other' where source = 'events'")
        connection.commit()
    expected = matrix.steps["load"].after
    assert [each.split(":")[0] for each in differences(matrix.fingerprint(database), expected)] == [
        "quarantine"
    ]
    matrix.drop(database)


def words(sql: str) -> str:
    """A statement without its comments, in one line."""
    return " ".join(re.sub(r"--[^\n]*", "", sql).split())


@pytest.mark.parametrize("step", FILES)
def test_copy_names_a_role_a_region_and_a_manifest_and_fills_each_table_once(
    step: str, matrix: Ground
) -> None:
    copies = [words(sql) for sql in matrix.steps[step].statements if words(sql).startswith("copy ")]
    target = re.compile(
        r"copy (\w+) .* from 's3://\S+/manifest.json' iam_role default region '\S+' manifest "
    )
    found = [target.match(copy) for copy in copies]
    assert None not in found, copies
    tables = [match[1] for match in found if match]
    assert len(tables) == len(set(tables)) > 3
    assert [copy for copy in copies if "***" in copy or "credentials" in copy] == []


@pytest.mark.parametrize("step", STEPS)
def test_a_transaction_that_writes_the_data_takes_its_lock_first(step: str, matrix: Ground) -> None:
    statements = [words(sql) for sql in matrix.steps[step].statements]
    begun = [number for number, sql in enumerate(statements) if sql == "begin transaction"]
    writes = [number for number, sql in enumerate(statements) if re.match("insert|delete|copy", sql)]
    assert begun[-1] < writes[0]
    locks = {"load": "lock_star", "check": "lock_statistics"}
    lock = locks.get(step, f"lock_{step.replace('stage ', 'staging_')}")
    assert statements[begun[-1] + 1] == f"lock {lock}"


@pytest.mark.parametrize("step", STEPS)
def test_nothing_commits_by_itself(step: str, matrix: Ground) -> None:
    """As TRUNCATE does, and what may not stand in a transaction."""
    statements = [words(sql) for sql in matrix.steps[step].statements]
    assert [sql for sql in statements if re.match("truncate|alter|vacuum|end", sql)] == []
    assert statements.index(COMMIT) == len(statements) - 1
