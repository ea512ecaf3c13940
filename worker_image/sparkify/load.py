"""`sparkify load`: bring the star in line with staging for all that one day may have changed.

One transaction, its blocking checks included. What is done and why stands in the headers of sql/changes/ and
sql/star/; this is their order.
"""

import argparse
import time
import uuid
from collections.abc import Sequence
from datetime import date

from sparkify import checks, warehouse
from sparkify.errors import DataError
from sparkify.log import Log
from sparkify.metrics import ROWS
from sparkify.settings import Settings
from sparkify.statements import statements
from sparkify.warehouse import Transaction

LOCK = "lock_star"


def load(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Load one staged day.

    Raises:
        DataError: the day is not staged, or a blocking check found offending rows; the star is as it was.
    """
    day: date = args.date
    blocking = checks.blocking(settings, "load")
    load_id = uuid.uuid4().hex
    try:
        written = warehouse.write(
            settings,
            log,
            LOCK,
            lambda transaction: _load(transaction, log, day, load_id, blocking),
            lambda transaction: bool(transaction.rows("ledger/loads/select", load_id=load_id)),
        )
    except checks.Blocked as blocked:
        checks.keep_alone(settings, LOCK, blocked.results, log, day)
        raise DataError(
            f"{day} is not loaded, the star is as it was: {blocked}; "
            f"check_results has all results of run {log.run}"
        ) from None
    for table, deleted, inserted in written:
        log.metrics.set(ROWS, deleted, step=log.step, table=table, change="deleted")
        log.metrics.set(ROWS, inserted, step=log.step, table=table, change="inserted")


def _load(
    transaction: Transaction, log: Log, day: date, load_id: str, blocking: Sequence[checks.Check]
) -> list[tuple[str, int, int]]:
    """What was written: each table with the rows deleted and inserted."""
    settings = transaction.settings
    written = []
    staged = transaction.rows("ledger/staging_versions/select", source="events", day=day)
    if not staged:
        raise DataError(f"{day} is not staged; stage it with: sparkify stage events --date {day}")
    parameters = {
        **checks.parameters(settings, day),
        "version": staged[0][0],
        "load_id": load_id,
        "run": log.run,
    }

    def execute(name: str) -> int:
        return transaction.execute(name, **parameters)

    def rewrite(table: str, delete: str = "delete") -> None:
        started = time.monotonic()
        deleted, inserted = execute(f"star/{table}/{delete}"), execute(f"star/{table}/insert")
        seconds = time.monotonic() - started
        log.info(f"wrote {table}", deleted=deleted, inserted=inserted, seconds=seconds)
        written.append((table, deleted, inserted))

    for each in statements(settings.sql, "changes/*/create.sql"):
        execute(each.name)
    # First, because days_in_step then counts this day by its new staging.
    execute("ledger/loads/insert")
    execute("ledger/loaded_days/delete")
    execute("ledger/loaded_days/insert")
    execute("ledger/loaded_songs/delete")
    execute("ledger/loaded_songs/insert")

    retitled = execute("changes/changed_songs/insert") > 0
    if retitled:
        execute("changes/changed_titles/insert")
    execute("changes/changed_artists/insert")
    rewrite("songs")
    rewrite("artists")

    parameters |= transaction.record("star/songplays/select_range", day=day)
    execute("changes/touched_keys/insert")
    execute("changes/incoming_plays/insert_staged")
    execute("changes/replaced_plays/insert_touched")
    if retitled:
        execute("changes/incoming_plays/insert_retitled")
        execute("changes/replaced_plays/insert_retitled")
    rewrite("songplays", "delete_retitled" if retitled else "delete")

    execute("changes/latest_plays/insert_incoming")
    execute("changes/latest_plays/insert_kept")
    if execute("changes/bereft_users/insert"):
        execute("changes/latest_plays/insert_older")
    rewrite("users")
    rewrite("time")

    started = time.monotonic()
    checks.demand(transaction, log, blocking, parameters, day)
    log.info("checks passed", checks=len(blocking), seconds=time.monotonic() - started)
    return written
