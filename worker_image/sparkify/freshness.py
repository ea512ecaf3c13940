"""`sparkify freshness`: whether every day that is due is loaded, by the ledger: Airflow is not asked."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import tenacity

from sparkify import naming, notices, warehouse
from sparkify.errors import DataError, PassingError, SparkifyError
from sparkify.log import Log
from sparkify.metrics import JUDGED, MISSING, NEWEST
from sparkify.objects import Bucket
from sparkify.settings import Settings

_PAUSE_SECONDS = 20
# Of the missing days, so many are named.
_NAMED = 3


def freshness(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Print one line if every day is loaded that is due; else, or if nobody can tell, send it as a notice.

    A day is due so many hours after its end. With SPARKIFY_MISSING_DAY=empty a day without an object is
    loaded by leaving it alone.

    Raises:
        DataError: a day that is due is not loaded, or none ever was.
        PassingError: the warehouse or S3 cannot be reached.
    """
    now: datetime = args.as_of or datetime.now(UTC)
    try:
        print(_fresh(now, timedelta(hours=args.hours), args.days, args.patience, settings, log))
    except SparkifyError as error:
        notices.send(settings, log, f"Sparkify of {settings.source.url()}: {error}")
        raise


def _fresh(now: datetime, allowed: timedelta, days: int, patience: int, settings: Settings, log: Log) -> str:
    loaded = set(_loaded(settings, log, patience))
    if not loaded:
        raise DataError("no day was ever loaded; is the DAG sparkify_daily unpaused?")
    due = (now - allowed).date() - timedelta(days=1)
    first = max(due - timedelta(days=days - 1), min(loaded))
    wanted = [first + timedelta(days=number) for number in range((due - first).days + 1)]
    missing = [day for day in wanted if day not in loaded]
    newest = f"the newest loaded day is {max(loaded)}"
    there, unseen = set[date](), ""
    if missing:
        try:
            there = asyncio.run(_there(missing, settings))
        except SparkifyError as error:
            if settings.missing_day == "empty":
                raise
            unseen = str(error)  # late it is, whatever the reason
        if settings.missing_day == "empty":
            missing = [day for day in missing if day in there]
    log.metrics.set(MISSING, len(missing))
    log.metrics.set(NEWEST, _unix(datetime.combine(max(loaded), time(), UTC)))
    log.metrics.set(JUDGED, _unix(now))
    if not missing:
        return f"fresh: {newest}; every day that is due, to {due}, is loaded"
    named = ", ".join(map(str, missing[:_NAMED]))
    if len(missing) > _NAMED:
        named += f" and {len(missing) - _NAMED} more"
    verb, first_of_them = ("is", "it") if len(missing) == 1 else ("are", "the first")
    late = now - datetime.combine(missing[0] + timedelta(days=1), time(), UTC)
    where = settings.source.url(naming.events_key(missing[0]))
    if unseen:
        reason = f"could not be looked for: {unseen}"
    elif missing[0] in there:
        reason = "is there: look at the day's run in Airflow"
    else:
        reason = "is not there: ask whoever delivers it"
    raise DataError(
        f"late: {named} {verb} not loaded; {first_of_them} ended {_hours(late)} hours ago, of which "
        f"{_hours(allowed)} are allowed; {newest}; {where} {reason}"
    )


def _hours(time: timedelta) -> int:
    return time // timedelta(hours=1)


def _unix(time: datetime) -> int:
    return int(time.timestamp())


def _loaded(settings: Settings, log: Log, patience: int) -> Sequence[date]:
    """The days that the star holds. Nobody repeats this step, so it repeats itself for `patience` seconds."""

    def warn(tried: tenacity.RetryCallState) -> None:
        reason = tried.outcome.exception() if tried.outcome else None
        log.warning("asking again", pause=tried.upcoming_sleep, reason=reason)

    def work(transaction: warehouse.Transaction) -> list[date]:
        return [day for (day,) in transaction.rows("ledger/loaded_days/select_all")]

    asking = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PassingError),
        wait=tenacity.wait_fixed(min(_PAUSE_SECONDS, patience / 2)),
        stop=tenacity.stop_before_delay(patience),
        before_sleep=warn,
        reraise=True,
    )
    return asking(warehouse.read, settings, log, work)


async def _there(days: Sequence[date], settings: Settings) -> set[date]:
    """Those of the days whose object is there."""
    source = Bucket(settings.source, settings.region, "SPARKIFY_SOURCE")
    folders = sorted({naming.events_folder(day) for day in days})
    keys = {each.key for listed in await asyncio.gather(*map(source.list, folders)) for each in listed}
    return {day for day in days if naming.events_key(day) in keys}
