"""Checks: a SELECT of offending rows each; the file's name gives the severity."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import Literal

from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statements
from sparkify.warehouse import Transaction

Severity = Literal["check", "warn"]

SAMPLE_ROWS = 5
SAMPLE_BYTES = 4096  # of check_results.sample


@dataclass(frozen=True)
class Result:
    """What one check found: how many rows offend, and some of them as JSON objects."""

    name: str
    severity: Severity
    offending: int
    sample: str

    def __str__(self) -> str:
        rows = "row" if self.offending == 1 else "rows"
        return f"{self.name}: {self.offending} offending {rows}, such as {self.sample}"


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


def run(transaction: Transaction, log: Log, severity: Severity, day: date) -> list[Result]:
    """Run every check of one severity, in the order of their names; log each that found something."""
    least, greatest = transaction.rows("staging/events/select_sessions", day=day)[0]
    values = {
        **parameters(transaction.settings, day),
        "least_session": least,
        "greatest_session": greatest,
    }
    results = []
    for each in statements(transaction.settings.sql, f"*/*/{severity}_*.sql"):
        result = _run(transaction, each, severity, values)
        results.append(result)
        if result.offending:
            log.warning(f"{severity} found offending rows", check=result.name, offending=result.offending)
    return results


def keep(transaction: Transaction, results: Sequence[Result], log: Log, day: date) -> None:
    """Write the results to check_results, in place of what this run's step had for the day."""
    transaction.execute("ledger/check_results/delete", run=log.run, step=log.step, day=day)
    for result in results:
        transaction.execute(
            "ledger/check_results/insert",
            run=log.run,
            step=log.step,
            day=day,
            check_name=result.name,
            severity=result.severity,
            offending=result.offending,
            sample=result.sample,
        )


def _run(transaction: Transaction, check: Statement, severity: Severity, values: dict[str, object]) -> Result:
    # Both parts are ours: the check's file and a number.
    text = f"select count(*) over () as offending_rows, offending.*\nfrom (\n{check.text}\n) as offending\n"
    counted = Statement(check.name, f"{text}limit {SAMPLE_ROWS}")
    columns, rows = transaction.select(counted, **values)
    sample = [dict(zip(columns[1:], row[1:], strict=True)) for row in rows]
    path = PurePosixPath(check.name)
    name = f"{path.parent.name}.{path.name.removeprefix(f'{severity}_')}"
    return Result(name, severity, int(rows[0][0]) if rows else 0, _as_json(sample))


def _as_json(sample: list[dict[str, object]]) -> str:
    text = json.dumps(sample, default=str, ensure_ascii=False)
    while len(text.encode()) > SAMPLE_BYTES and sample:
        sample = sample[:-1]
        text = json.dumps(sample, default=str, ensure_ascii=False)
    return text
