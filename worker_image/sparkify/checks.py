"""Checks: a SELECT of offending rows each; the file's name gives the severity, unless configuration does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import PurePosixPath

from sparkify import thresholds
from sparkify.errors import UsageError
from sparkify.log import Log
from sparkify.settings import CheckSetting, Settings
from sparkify.statements import Statement, statement, statements
from sparkify.thresholds import Configuration, Severity
from sparkify.warehouse import Transaction

SAMPLE_ROWS = 5
SAMPLE_BYTES = 4096  # of check_results.sample

_HISTORY = "history"


@dataclass(frozen=True)
class Check:
    """A check as it is configured.

    `name` is the table and what is checked, as in songplays.grain. `of_history` says that it compares the
    statistics of days, which only `sparkify check` takes. `said_by` names who gave the severity (under
    `severity`) and the thresholds.
    """

    name: str
    statement: Statement
    severity: Severity
    of_history: bool = False
    thresholds: Mapping[str, int | float] = field(default_factory=dict)
    said_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        return self.name.partition(".")[0]

    @property
    def counted(self) -> Statement:
        """The statement that is run: some of the offending rows, each with the number of all."""
        # Both parts are ours: the check's file and a number.
        text = f"select count(*) over () as offending_rows, offending.*\nfrom (\n{self.statement.text}\n)"
        return Statement(self.statement.name, f"{text} as offending\nlimit {SAMPLE_ROWS}")


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


def parameters(settings: Settings, day: date) -> dict[str, object]:
    """What the statements of a load, and the checks of a day, may ask for."""
    reach = timedelta(days=settings.duplicate_days)
    return {
        "day": day,
        "first_day": day - reach,
        "last_day": day + reach,
        "duplicate_days": settings.duplicate_days,
        "match_tolerance": settings.match_tolerance,
    }


def bound(transaction: Transaction, day: date) -> dict[str, object]:
    """The values of the parameters that any check may have, but for its table and thresholds."""
    least, greatest = transaction.rows("staging/events/select_sessions", day=day)[0]
    return {**parameters(transaction.settings, day), "least_session": least, "greatest_session": greatest}


def run(
    transaction: Transaction, log: Log, chosen: Sequence[Check], values: Mapping[str, object]
) -> list[Result]:
    """Run checks with what `bound` gives, or more; log each that found something."""
    results = []
    for check in chosen:
        result = _run(transaction, check, {**values, **check.thresholds, "table": check.table})
        results.append(result)
        if result.offending:
            log.warning(
                f"{check.severity} found offending rows", check=check.name, offending=result.offending
            )
    return results


def keep(transaction: Transaction, results: Sequence[Result], log: Log, day: date) -> None:
    """Write the results to check_results, in place of what this run's step had for the day."""
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
            made = Check(f"{table}.{what}", each, "check" if severity == "check" else "warn", True)
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


def _run(transaction: Transaction, check: Check, values: dict[str, object]) -> Result:
    columns, rows = transaction.select(check.counted, **values)
    sample = [dict(zip(columns[1:], row[1:], strict=True)) for row in rows]
    return Result(check, int(rows[0][0]) if rows else 0, _as_json(sample))


def _as_json(sample: list[dict[str, object]]) -> str:
    text = json.dumps(sample, default=str, ensure_ascii=False)
    while len(text.encode()) > SAMPLE_BYTES and sample:
        sample = sample[:-1]
        text = json.dumps(sample, default=str, ensure_ascii=False)
    return text
