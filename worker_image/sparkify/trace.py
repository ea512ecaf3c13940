"""`sparkify trace`: where a play comes from, and what became of a source file and its lines."""

import argparse
from collections.abc import Sequence
from typing import Any

from sparkify import report, warehouse
from sparkify.errors import DataError, UsageError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statement
from sparkify.warehouse import Transaction

_Answer = tuple[list[str], list[warehouse.Row]]


def trace(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Print a play's way from its source line, or what became of a file's lines, or of one.

    Raises:
        DataError: the star holds no such play, or no staged file has such a name or line.
        UsageError: neither a play nor a file is given, or both.
    """
    if (args.target is None) == (args.file is None) or (args.line is not None and args.file is None):
        raise UsageError("trace: say what: SONGPLAY_ID, FILE:LINE, or --file FILE and perhaps --line LINE")
    if isinstance(args.target, str):
        warehouse.read(settings, log, lambda transaction: _play(transaction, args.target))
        return
    file, line = args.target or (args.file, args.line)
    key = file.removeprefix(settings.source.url())
    warehouse.read(settings, log, lambda transaction: _file(transaction, log, key, line, args.limit))


def _play(transaction: Transaction, songplay_id: str) -> None:
    session_id, item_in_session = map(int, songplay_id.split("-"))
    parameters = {
        "songplay_id": songplay_id,
        "session_id": session_id,
        "item_in_session": item_in_session,
        "duplicate_days": transaction.settings.duplicate_days,
    }

    def select(name: str) -> _Answer:
        return _select(transaction, statement(transaction.settings.sql, name), parameters)

    columns, plays = select("star/songplays/trace")
    lines = select("staging/events/trace")
    for play in plays:
        print(report.record(columns, play), end="\n\n")
    if plays or lines[1]:
        _print("staged lines of this event", lines)
    if not plays:
        staged = f"; staged lines of its event: {len(lines[1])}" if lines[1] else ""
        raise DataError(f"no songplay {songplay_id} in the star{staged}")
    _print(
        "\nloads of its day and of the days before it that may hold the same event",
        select("star/songplays/trace_loads"),
    )
    _print(
        "\nchecks in the run that wrote it, and in that of its day's last load",
        select("star/songplays/trace_checks"),
    )


def _file(transaction: Transaction, log: Log, name: str, line: int | None, limit: int) -> None:
    sql = transaction.settings.sql
    columns, files = _select(transaction, statement(sql, "ledger/staged_files/trace"), {"file": name})
    if not files:
        raise DataError(f"no staged file's name ends with {name}: it is gone, or was never staged")
    if len(files) > 1:
        names = ", ".join(file[columns.index("source_file")] for file in files)
        raise DataError(f"several staged files' names end with {name}, such as {names}: give more of it")
    known = dict(zip(columns, files[0], strict=True))
    if line is not None and not 1 <= line <= known["lines"]:
        raise DataError(f"{known['source_file']} has {known['lines']} lines, and no line {line}")
    parameters = {"source": known["source"], "day": known["day"], "file": known["source_file"], "line": line}
    lines = statement(sql, f"staging/{known['source']}/trace_file")
    counts = _select(
        transaction,
        _of(lines, "became, count(*) as lines", "group by place, became order by place"),
        parameters,
    )
    _, outcomes = counts
    if known["blank"] and line is None:
        outcomes.append(("blank", known["blank"]))
    found = _select(
        transaction,
        _of(lines, "line, became, row_key, detail", f"order by place, line limit {limit}"),
        parameters,
    )
    print(report.record(columns, files[0]))
    parts = _select(transaction, statement(sql, "ledger/staged_parts/select"), parameters)
    _print("\nparts that its good lines travelled in", parts)
    if line is not None and not found[1]:
        print(f"\nline {line} is blank")
        return
    if line is None:
        _print("\nwhat became of its lines", counts)
    _print(f"\n{'the line' if line else 'the lines'}", found)
    total = sum(count for outcome, count in outcomes if outcome != "blank")
    if total > len(found[1]):
        log.warning("there are more lines; --limit shows them", lines=total, shown=len(found[1]))
    if line is not None and found[1][0][1] == "quarantined":
        place = report.word(f"{known['source_file']}:{line}")
        print(f"\nits bytes: sparkify quarantine show {place}")
    if line is not None and known["source"] == "events" and (songplay_id := found[1][0][2]):
        print(f"\nthe play {songplay_id}")
        _play(transaction, songplay_id)


def _of(query: Statement, columns: str, end: str) -> Statement:
    """What is asked of a query's rows; both texts are ours."""
    return Statement(query.name, f"select {columns}\nfrom (\n{query.text}\n) as outcomes\n{end}")


def _select(transaction: Transaction, query: Statement, parameters: dict[str, Any]) -> _Answer:
    return transaction.select(query, **parameters)


def _print(title: str, answer: tuple[Sequence[str], Sequence[warehouse.Row]]) -> None:
    print(title)
    print(report.table(*answer))
