"""`sparkify check --results` and `--history`: what checks found, and where to go from there."""

import json
from collections.abc import Sequence
from datetime import date

from sparkify import checks, explain, report, warehouse
from sparkify.errors import NothingToDo
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statement


def of_day(day: date, settings: Settings, log: Log) -> None:
    """Print what each step's last run found on a day, some of the offending rows, and how to trace them.

    Raises:
        NothingToDo: the day was never checked.
    """
    query = statement(settings.sql, "ledger/check_results/select")
    columns, rows = warehouse.read(settings, log, lambda transaction: transaction.select(query, day=day))
    # Songs have no day: their stage's results are there whatever the day.
    if {row[columns.index("step")] for row in rows} <= {"stage_songs"}:
        raise NothingToDo(f"no check was run for {day}")
    sample = columns.index("sample")
    shown = [column for column in columns if column != "sample"]
    print(report.table(shown, [[*row[:sample], *row[sample + 1 :]] for row in rows]))
    for step, name, severity, offending, *_, found in rows:
        if not offending:
            continue
        print(f"\n{name} found in {step}, for example")
        undone = severity == "check" and step.startswith("stage_")
        for each in json.loads(found):
            print(f"  {report.visible(json.dumps(each, ensure_ascii=False))}")
            # The stage was rolled back: what is staged of the file, if anything, is another version of it.
            if undone and each.get("source_file"):
                place = settings.source.url(str(each["source_file"]))
                print(f"    not staged: {report.visible(place)}:{each.get('source_line', '')}".rstrip(":"))
            elif way := trace(each):
                print(f"    {way}")


def of_check(name: str, limit: int, configured: Sequence[checks.Check], settings: Settings, log: Log) -> None:
    """Print what a check found, the newest result first.

    Raises:
        UsageError: there is no such check.
    """
    check = explain.named(name, configured)
    query = statement(settings.sql, "ledger/check_results/select_history")
    query = Statement(query.name, f"{query.text}\nlimit {limit}")
    columns, rows = warehouse.read(
        settings, log, lambda transaction: transaction.select(query, check_name=check.name)
    )
    print(report.table(columns, rows))


def trace(row: dict[str, object]) -> str | None:
    """The command that leads on from an offending row, where it names a play or a line."""
    if row.get("songplay_id"):
        return f"sparkify trace {report.word(str(row['songplay_id']))}"
    if row.get("source_file") and row.get("source_line"):
        place = f"{row['source_file']}:{row['source_line']}"
        return f"sparkify trace {report.word(place)}"
    if row.get("source_file"):
        return f"sparkify trace --file {report.word(str(row['source_file']))}"
    return None
