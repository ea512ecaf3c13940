"""`sparkify check`: every check of one day on what is visible, warnings included; results are kept."""

import argparse
import time
from datetime import date

from sparkify import checks, explain, results, statistics, warehouse
from sparkify.errors import DataError, PassingError, UsageError
from sparkify.log import Log
from sparkify.metrics import OFFENDING
from sparkify.settings import Settings


def show(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Show a check, what the checks of a day found, or what a check found over time.

    Raises:
        UsageError: a day is needed and not given, or there is no such check.
    """
    configured = checks.configured(settings)
    if args.explain:
        explain.show(args.explain, args.date, configured, settings, log)
    elif args.history:
        results.of_check(args.history, args.limit, configured, settings, log)
    else:
        results.of_day(_day(args), settings, log)


def check(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Run the blocking checks once more, and the warnings; keep the statistics of the day's columns.

    Raises:
        UsageError: no day is given.
        DataError: the day is not loaded, or a blocking check found offending rows.
        PassingError: another run staged the day again and has not loaded it yet.
    """
    configured = checks.configured(settings)
    day = _day(args)
    chosen = [each for each in configured if each.severity != "off"]

    def work(transaction: warehouse.Transaction) -> tuple[list[checks.Result], dict[str, object]]:
        loaded = transaction.rows("ledger/loaded_days/select", day=day)
        if not loaded:
            raise DataError(f"{day} is not loaded; load it with: sparkify load --date {day}")
        _, in_step, load_id = loaded[0]
        if not in_step:
            raise PassingError(
                f"{day} was staged again after its load; sparkify load --date {day} comes first"
            )
        started = time.monotonic()
        columns = statistics.take(transaction, day, load_id)
        log.info("took statistics", columns=columns, seconds=time.monotonic() - started)
        found = checks.run(transaction, log, chosen, checks.bound(transaction, chosen, day))
        checks.keep(transaction, found, log, day)
        return found, transaction.record("ledger/staged_files/account", day=day)

    started = time.monotonic()
    found, account = warehouse.write(settings, log, statistics.LOCK, work)
    log.info("accounted for each line", **account)
    for result in found:
        log.metrics.set(OFFENDING, result.offending, check=result.check.name, severity=result.check.severity)
        if result.offending and not result.failed:
            log.warning(str(result))
    failed = [str(result) for result in found if result.failed]
    if failed:
        raise DataError(f"{day}: {'; '.join(failed)}")
    log.info(
        "checked",
        checks=len(found),
        warnings=sum(result.offending > 0 for result in found),
        off=len(configured) - len(chosen) or None,
        seconds=time.monotonic() - started,
    )


def _day(args: argparse.Namespace) -> date:
    if not args.date:
        raise UsageError("check: say which day: --date DAY")
    day: date = args.date
    return day
