"""`sparkify check`: every check of one day on what is visible, warnings included; results are kept."""

import argparse
from datetime import date

from sparkify import checks, warehouse
from sparkify.errors import DataError, PassingError
from sparkify.load import keep_results
from sparkify.log import Log
from sparkify.metrics import OFFENDING
from sparkify.settings import Settings


def check(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Run the blocking checks once more, and the warnings.

    Raises:
        DataError: the day is not loaded, or a blocking check found offending rows.
        PassingError: another run staged the day again and has not loaded it yet.
    """
    day: date = args.date

    def work(transaction: warehouse.Transaction) -> list[checks.Result]:
        loaded = transaction.rows("ledger/loaded_days/select", day=day)
        if not loaded:
            raise DataError(f"{day} is not loaded; load it with: sparkify load --date {day}")
        if not loaded[0][1]:
            raise PassingError(
                f"{day} was staged again after its load; sparkify load --date {day} comes first"
            )
        return checks.run(transaction, log, "check", day) + checks.run(transaction, log, "warn", day)

    results = warehouse.read(settings, log, work)
    keep_results(settings, log, results, day)
    for result in results:
        log.metrics.set(OFFENDING, result.offending, check=result.name, severity=result.severity)
        if result.severity == "warn" and result.offending:
            log.warning(str(result))
    failed = [str(result) for result in results if result.severity == "check" and result.offending]
    if failed:
        raise DataError(f"{day}: {'; '.join(failed)}")
    log.info("checked", checks=len(results), warnings=sum(result.offending > 0 for result in results))
