"""`sparkify trace`: where a play comes from, and the loads that touched it."""

import argparse

from sparkify import report, warehouse
from sparkify.errors import DataError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import statement


def trace(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Print the play, every staged line of its event, and the loads that may have touched it.

    Raises:
        DataError: the star holds no such play.
    """
    session_id, item_in_session = map(int, args.songplay_id.split("-"))
    parameters = {
        "songplay_id": args.songplay_id,
        "session_id": session_id,
        "item_in_session": item_in_session,
        "duplicate_days": settings.duplicate_days,
    }

    def work(transaction: warehouse.Transaction) -> list[tuple[list[str], list[warehouse.Row]]]:
        names = ("star/songplays/trace", "staging/events/trace", "star/songplays/trace_loads")
        return [transaction.select(statement(settings.sql, name), **parameters) for name in names]

    (columns, plays), lines, loads = warehouse.read(settings, log, work)
    if not plays:
        staged = f"; staged lines of its event: {len(lines[1])}" if lines[1] else ""
        raise DataError(f"no songplay {args.songplay_id} in the star{staged}")
    print(report.record(columns, plays[0]))
    print("\nstaged lines of this event")
    print(report.table(*lines))
    print("\nloads of its day and of the days before it that may hold the same event")
    print(report.table(*loads))
