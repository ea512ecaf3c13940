"""`sparkify check --explain`: what a check means, what it compares with, and the SQL that is run."""

import difflib
import re
from collections.abc import Sequence
from datetime import date

from sparkify import checks, report, thresholds, warehouse
from sparkify.checks import Check
from sparkify.errors import UsageError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, literal

_HEADER = re.compile(r"\A(?:--[^\n]*\n)+")


def named(name: str, configured: Sequence[Check]) -> Check:
    """The check of that name.

    Raises:
        UsageError: there is none.
    """
    known = {check.name: check for check in configured}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 5, 0.4) or sorted(known)
    raise UsageError(f"there is no check {name}; there are, for example, {', '.join(near)}")


def show(name: str, day: date | None, configured: Sequence[Check], settings: Settings, log: Log) -> None:
    """Print a check. With a day its SQL can be pasted and run; without one, what depends on it stays named.

    Raises:
        UsageError: there is no such check.
    """
    check = named(name, configured)
    text = check.statement.text
    header = _HEADER.match(text)
    meaning = re.sub(r"^-- ?(?:(?:check|warn)_\w+: )?", "", header[0], flags=re.MULTILINE) if header else ""
    steps = "check" if check.step == "check" or check.severity == "warn" else f"{check.step}, check"
    facts = {
        "check": check.name,
        "severity": f"{check.severity}, by {check.said_by['severity']}",
        "file": f"sql/{check.statement.name}.sql",
        "run by": "-" if check.severity == "off" else steps,
        "means": " ".join(meaning.partition("Rerun:")[0].split()),
    }
    print(report.record(list(facts), list(facts.values())))
    if check.thresholds:
        limits = thresholds.read(settings.sql).thresholds
        rows = [
            (
                name,
                value,
                check.said_by[name],
                limits[name].minimum,
                limits[name].maximum,
                limits[name].meaning,
            )
            for name, value in check.thresholds.items()
        ]
        columns = ["threshold", "value", "by", "least", "greatest", "means"]
        print(f"\n{report.table(columns, rows)}")
    values = check.own
    if day and check.statement.parameters & checks.RANGE:
        values |= warehouse.read(settings, log, lambda transaction: checks.bound(transaction, [check], day))
    elif day:
        values |= checks.parameters(settings, day)
    body = Statement(check.statement.name, text.removeprefix(header[0] if header else ""))
    shown = Check(check.name, body, check.severity).counted
    literals = {name: literal(values[name]) if name in values else f":{name}" for name in shown.parameters}
    print(f"\n{shown.with_literals(literals)};")
