"""Checks: a SELECT of offending rows each; the file's name gives the severity, unless configuration does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import PurePosixPath

from sparkify import thresholds, warehouse
from sparkify.errors import UsageError
from sparkify.log import Log
from sparkify.settings import CheckSetting, Settings
from sparkify.statements import Statement, literal, statement, statements
from sparkify.thresholds import Configuration, Severity
from sparkify.warehouse import Transaction

SAMPLE_ROWS = 5
SAMPLE_BYTES = 4096  # of check_results.sample

# The parameters whose values the warehouse is asked for.
RANGE = frozenset({"least_session", "greatest_session", "least_start_time", "greatest_start_time"})

_HISTORY = "history"


@dataclass(frozen=True)
class Check:
    """A check as it is configured.

    `name` is the table and what is checked, as in songplays.grain. `said_by` names who gave the severity
    (under `severity`) and the thresholds.
    """

    name: str
    statement: Statement
    severity: Severity
    thresholds: Mapping[str, int | float] = field(default_factory=dict)
    said_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        return self.name.partition(".")[0]

    @property
    def step(self) -> str:
        """The step that a blocking check may fail first: the one whose transaction writes what it reads."""
        layer = PurePosixPath(self.statement.name).parts[0]
        return {"staging": f"stage {self.table}", "star": "load"}.get(layer, "check")

    @property
    def own(self) -> dict[str, object]:
        """The parameters whose values are this check's alone."""
        return {**self.thresholds, "table": self.table}

    @property
    def counted(self) -> Statement:
        """The statement that is run: some of the offending rows, each with the number of all.

        In the order of the check's first column, so that rows of one key stand together.
        """
        # Both parts are ours: the check's file and a number.
        text = f"select count(*) over () as offending_rows, offending.*\nfrom (\n{self.statement.text}\n)"
        return Statement(self.statement.name, f"{text} as offending\norder by 2\nlimit {SAMPLE_ROWS}")

    def asked(self, query: Statement, values: Mapping[str, object]) -> str:
        """The text of its statement, or of the one that counts, with these values and its own."""
        known = {**values, **self.own}
        return query.with_literals({name: literal(known[name]) for name in query.parameters})


@dataclass(frozen=True)
class Result:
    """What one check found: how many rows offend, and some of them as JSON objects."""

    check: Check
    offending: int
    sample: str

    @property
    def failed(self) -> bool:
        """Whether a blocking check found rows."""
        return self.offending > 0 and self.check.severity == "check"

    def __str__(self) -> str:
        rows = "row" if self.offending == 1 else "rows"
        return f"{self.check.name}: {self.offending} offending {rows}, such as {self.sample}"


class Blocked(Exception):
    """Blocking checks found offending rows: the transaction is rolled back."""

    def __init__(self, results: Sequence[Result]):
        super().__init__("; ".join(str(result) for result in results if result.failed))
        self.results = results


def configured(settings: Settings) -> list[Check]:
    """Every check that there is, in the order of their names, those that are off included.

    Raises:
        UsageError: the configuration names what is not there, or a value that a threshold cannot have; the
            one message names all of it.
    """
    configuration = thresholds.read(settings.sql)
    of_file = [
        CheckSetting(check, name, value)
        for check, said in configuration.checks.items()
        for name, value in said.items()
    ]
    found = {check.name: check for check in _found(settings, configuration)}
    problems = []
    # What is said of one check counts for more than what is said of all; the setting for more than the file.
    said = [("sql/checks.toml", each) for each in of_file]
    said += [("SPARKIFY_CHECKS", each) for each in settings.checks]
    for who, each in sorted(said, key=lambda each: each[1].check is not None):
        try:
            _apply(found, configuration, each, who)
        except ValueError as error:
            problems.append(f"{who}: {error}")
    if problems:
        raise UsageError(f"checks: {'; '.join(problems)}")
    return sorted(found.values(), key=lambda check: check.name)


def blocking(settings: Settings, step: str) -> list[Check]:
    """The blocking checks of a step's own transaction. Raises as `configured`."""
    return [each for each in configured(settings) if each.severity == "check" and each.step == step]


def parameters(settings: Settings, day: date | None) -> dict[str, object]:
    """What the statements of a load, and the checks of a day, may ask for; all days are no day."""
    reach = timedelta(days=settings.duplicate_days)
    return {
        "day": day,
        "first_day": day and day - reach,
        "last_day": day and day + reach,
        "duplicate_days": settings.duplicate_days,
        "match_tolerance": settings.match_tolerance,
    }


def bound(transaction: Transaction, chosen: Sequence[Check], day: date | None) -> dict[str, object]:
    """The values of the parameters that checks may have, but for their tables and thresholds."""
    values = parameters(transaction.settings, day)
    if any(check.statement.parameters & RANGE for check in chosen):
        values |= transaction.record("star/songplays/select_range", day=day)
    return values


def demand(
    transaction: Transaction,
    log: Log,
    chosen: Sequence[Check],
    values: Mapping[str, object],
    day: date | None,
) -> None:
    """Run checks as `run`; raise Blocked if one that is blocking found something, else keep the results."""
    results = run(transaction, log, chosen, values)
    if any(result.failed for result in results):
        raise Blocked(results)
    keep(transaction, results, log, day)


def run(
    transaction: Transaction, log: Log, chosen: Sequence[Check], values: Mapping[str, object]
) -> list[Result]:
    """Run checks with what `bound` gives, or more; log each that found something.

    One statement counts for all of them: each statement costs Redshift a compilation, and the way there and
    back, whatever it reads. Only a check that found rows is asked for some of them.
    """
    found = _counted(transaction, chosen, values)
    results = []
    for check, offending in zip(chosen, found, strict=True):
        sample = _sample(transaction, check, values) if offending else []
        results.append(Result(check, offending, _as_json(sample)))
        if offending:
            log.warning(f"{check.severity} found offending rows", check=check.name, offending=offending)
    return results


def keep(transaction: Transaction, results: Sequence[Result], log: Log, day: date | None) -> None:
    """Write the results to check_results, in place of what this run's step had for the day, or for songs."""
    transaction.execute("ledger/check_results/delete", run=log.run, step=log.step, day=day)
    rows = [
        {
            "run": log.run,
            "step": log.step,
            "day": day,
            "check_name": result.check.name,
            "severity": result.check.severity,
            "offending": result.offending,
            "sample": result.sample,
            "thresholds": json.dumps(result.check.thresholds) if result.check.thresholds else "",
        }
        for result in results
    ]
    transaction.insert_rows("ledger/check_results/insert", rows)


def keep_alone(settings: Settings, lock: str, results: Sequence[Result], log: Log, day: date | None) -> None:
    """Keep the results of a transaction that was rolled back, in one of their own that takes the same lock:
    of two pods of a step, each would miss what the other inserts.
    """
    warehouse.write(settings, log, lock, lambda transaction: keep(transaction, results, log, day))


def _found(settings: Settings, configuration: Configuration) -> Iterator[Check]:
    """The checks as their files and the defaults of their thresholds have them."""
    for severity in ("check", "warn"):
        for each in statements(settings.sql, f"*/*/{severity}_*.sql"):
            path = PurePosixPath(each.name)
            name = f"{path.parent.name}.{path.name.removeprefix(f'{severity}_')}"
            yield _with_defaults(Check(name, each, severity), configuration)
    for file, tables in configuration.history.items():
        severity, _, what = file.partition("_")
        if severity not in ("check", "warn") or not (settings.sql / _HISTORY / f"{file}.sql").is_file():
            raise UsageError(f"sql/checks.toml: history: there is no sql/{_HISTORY}/{file}.sql to check by")
        for table in tables:
            each = statement(settings.sql, f"{_HISTORY}/{file}")
            made = Check(f"{table}.{what}", each, "check" if severity == "check" else "warn")
            yield _with_defaults(made, configuration)


def _with_defaults(check: Check, configuration: Configuration) -> Check:
    asked = check.statement.parameters & configuration.thresholds.keys()
    return replace(
        check,
        thresholds={name: configuration.thresholds[name].value for name in sorted(asked)},
        said_by={"severity": "its file's name", **dict.fromkeys(asked, "sql/checks.toml")},
    )


def _apply(found: dict[str, Check], configuration: Configuration, said: CheckSetting, who: str) -> None:
    """Have what was said in the checks that it is said of.

    Raises:
        ValueError: there is no such check, or no such threshold, or the value is not one for it.
    """
    if said.check is not None and said.check not in found:
        raise ValueError(f"there is no check {said.check}; see docs/checks.md, and sql/ for their files")
    named = [found[said.check]] if said.check else list(found.values())
    if said.name == "severity":
        if not said.check or said.value not in ("check", "warn", "off"):
            raise ValueError(f"{said.value!r} is not the severity of one check: check, warn or off")
        (check,) = named
        severity: Severity = said.value  # type: ignore[assignment]
        found[check.name] = replace(check, severity=severity, said_by={**check.said_by, "severity": who})
        return
    threshold = configuration.thresholds.get(said.name)
    having = [check for check in named if said.name in check.thresholds]
    if threshold is None or not having:
        what = f"{said.check} has" if said.check else "there is"
        known = sorted(having[0].thresholds if having else configuration.thresholds)
        raise ValueError(f"{what} no threshold {said.name}; there are {', '.join(known)}")
    if problem := threshold.problem(said.value):
        raise ValueError(f"{said.name}: {problem}")
    value = type(threshold.value)(said.value)
    for check in having:
        found[check.name] = replace(
            check,
            thresholds={**check.thresholds, said.name: value},
            said_by={**check.said_by, said.name: who},
        )


def _counted(transaction: Transaction, chosen: Sequence[Check], values: Mapping[str, object]) -> list[int]:
    """How many rows each check finds."""
    texts = [
        f"select {number} as place, count(*) as offending_rows\n"
        f"from (\n{check.asked(check.statement, values)}\n) as offending"
        for number, check in enumerate(chosen)
    ]
    if not texts:
        return []
    _, rows = transaction.select(Statement("checks", "\nunion all\n".join(texts)))
    found = {place: int(offending_rows) for place, offending_rows in rows}
    return [found[number] for number in range(len(chosen))]


def _sample(transaction: Transaction, check: Check, values: Mapping[str, object]) -> list[dict[str, object]]:
    text = check.asked(check.counted, values)
    columns, rows = transaction.select(Statement(check.statement.name, text))
    return [dict(zip(columns[1:], row[1:], strict=True)) for row in rows]


def _as_json(sample: list[dict[str, object]]) -> str:
    text = json.dumps(sample, default=str, ensure_ascii=False)
    while len(text.encode()) > SAMPLE_BYTES and sample:
        sample = sample[:-1]
        text = json.dumps(sample, default=str, ensure_ascii=False)
    return text
