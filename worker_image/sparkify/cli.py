"""The command line: what the DAG and people type.

Imports only the standard library at its top, so that the contract tests can parse commands without the
worker's dependencies and a wrong command line answers at once.
"""

import argparse
import gc
import os
import re
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from sparkify import errors

if TYPE_CHECKING:
    from sparkify.log import Log
    from sparkify.settings import Settings

# Step → the module and the function that do it; imported when needed, because each needs others' libraries.
STEPS = {
    "connect": ("connect", "connect"),
    "tables_create": ("tables", "create"),
    "tables_grant": ("tables", "grant"),
    "tables_drop": ("tables", "drop"),
    "stage_songs": ("stage", "songs"),
    "stage_events": ("stage", "events"),
    "load": ("load", "load"),
    "check": ("check", "check"),
    "check_show": ("check", "show"),
    "plan": ("plan", "plan"),
    "freshness": ("freshness", "freshness"),
    "quarantine_list": ("quarantined", "list_"),
    "quarantine_show": ("quarantined", "show"),
    "quarantine_retry": ("quarantined", "retry"),
    "trace": ("trace", "trace"),
}

EXIT_CODES = """\
exit codes:
  0    done
  1    the data or the tables are wrong: retrying will not help
  64   the command line or the settings are wrong
  75   a passing failure: retry
  99   there was nothing to do
  143  terminated; the statement in flight was cancelled
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(errors.USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a day of the form 2018-11-03")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day: {error}") from error


def _run(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,250}", text):
        raise argparse.ArgumentTypeError("is not 1 to 250 visible ASCII characters")
    return text


def _file_line(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+):(\d{1,18})", text, re.DOTALL)
    if not match:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form FILE:LINE, as in 2018-11-04-events.json:98"
        )
    return match[1], int(match[2])


def _traced(text: str) -> str | tuple[str, int]:
    if re.fullmatch(r"\d{1,19}-\d{1,10}", text):
        return text
    try:
        return _file_line(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither of the form SESSION-ITEM, as in 139-1, nor FILE:LINE"
        ) from error


def _time(text: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of the form 2018-11-04T06:00")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: {error}") from error


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _between(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not lowest <= (number := _number(text)) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lowest} to {highest}")
        return number

    return parse


def parser() -> argparse.ArgumentParser:
    """The whole command line, as a parser whose result has a `step`, and `date` where the step has a day."""
    top = _Parser(
        prog="sparkify",
        description="Load a music service's S3 JSON into a Redshift star schema, one step a command.",
        epilog="examples:\n  sparkify connect\n  sparkify tables create\n  sparkify stage songs\n"
        "  sparkify stage events --date 2018-11-03\n  sparkify load --date 2018-11-03\n"
        "  sparkify check --date 2018-11-03\n  sparkify plan --date 2018-11-03\n  sparkify trace 139-1\n"
        "  sparkify freshness --hours 6\n"
        "  sparkify quarantine list --date 2018-11-03\n"
        "  sparkify quarantine show 2018-11-03-events.json:98\n"
        "  sparkify quarantine retry --date 2018-11-03\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(
        group: "argparse._SubParsersAction[_Parser]", name: str, step: str, text: str, example: str
    ) -> argparse.ArgumentParser:
        made = group.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example:\n  {example}\n\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(step=step)
        made.add_argument(
            "--run", type=_run, help="name of this run in logs, ledger and check results (default: made up)"
        )
        return made

    def with_day(made: argparse.ArgumentParser) -> None:
        made.add_argument("--date", type=_day, required=True, help="the day (UTC), as in 2018-11-03")

    def with_place(made: argparse.ArgumentParser) -> None:
        text = "the quarantine of a stage that was refused, as its message names it"
        made.add_argument("--at", metavar="URL", help=text)

    def group(name: str, text: str) -> "argparse._SubParsersAction[_Parser]":
        made = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        return made.add_subparsers(metavar="COMMAND", required=True)

    command(
        commands,
        "connect",
        "connect",
        "try S3, the warehouse and COPY with one row, and leave nothing behind",
        "sparkify connect",
    )
    tables = group("tables", "create or drop the schema, and say who may do what in it")
    command(tables, "create", "tables_create", "create what is not there yet", "sparkify tables create")
    command(
        tables,
        "grant",
        "tables_grant",
        "make the roles of loader and reader, and give them their rights",
        "sparkify tables grant",
    )
    drop = command(
        tables, "drop", "tables_drop", "drop every table, with its rows", "sparkify tables drop --yes"
    )
    drop.add_argument("--yes", action="store_true", help="needed: there is no way back")

    stage = group("stage", "bring S3 objects into the staging tables")
    command(
        stage, "songs", "stage_songs", "stage songs that are new, changed or gone", "sparkify stage songs"
    )
    with_day(
        command(
            stage,
            "events",
            "stage_events",
            "stage one day's events",
            "sparkify stage events --date 2018-11-03",
        )
    )
    with_day(
        command(
            commands,
            "load",
            "load",
            "bring the star in line with staging for one day, in one transaction",
            "sparkify load --date 2018-11-03",
        )
    )
    checking = command(
        commands,
        "check",
        "check",
        "run every check of one day and keep the results; or show what checks are and found",
        "sparkify check --date 2018-11-03\n  sparkify check --results --date 2018-11-03\n"
        "  sparkify check --history songplays.volume\n"
        "  sparkify check --explain songplays.volume --date 2018-11-03",
    )
    checking.add_argument("--date", type=_day, help="the day (UTC), as in 2018-11-03")
    showing = checking.add_mutually_exclusive_group()
    showing.add_argument(
        "--explain", metavar="CHECK", help="what a check means, what it compares with, and its SQL"
    )
    showing.add_argument(
        "--results", action="store_true", help="what the last run of each step found on the day"
    )
    showing.add_argument("--history", metavar="CHECK", help="what a check found, the newest first")
    checking.add_argument(
        "--limit", type=_number, default=30, help="so many results of --history (default: %(default)s)"
    )
    with_day(
        command(
            commands,
            "plan",
            "plan",
            "say what a run of one day would do, and touch nothing",
            "sparkify plan --date 2018-11-03",
        )
    )
    fresh = command(
        commands,
        "freshness",
        "freshness",
        "say whether every day that is due is loaded, and post a notice if not",
        "sparkify freshness --hours 6",
    )
    for name, parse, default, text in (
        ("--hours", _between(0, 720), 6, "a day is due so many hours after its end"),
        ("--days", _between(1, 366), 7, "look at so many days, back from the newest that is due"),
        ("--patience", _between(0, 3600), 120, "ask a warehouse that is away again for so many seconds"),
    ):
        fresh.add_argument(name, type=parse, default=default, help=f"{text} (default: %(default)s)")
    fresh.add_argument(
        "--as-of", type=_time, metavar="TIME", help="at this time (UTC), as in 2018-11-04T06:00"
    )
    quarantine = group("quarantine", "look into the lines that could not be staged, and judge them again")
    listing = command(
        quarantine,
        "list",
        "quarantine_list",
        "list quarantined lines with their reasons",
        "sparkify quarantine list --date 2018-11-03",
    )
    listing.add_argument("--date", type=_day, help="only those of a day (UTC), as in 2018-11-03")
    listing.add_argument("--source", choices=("events", "songs"), help="only those of one source")
    listing.add_argument("--reason", help="only those of a reason: json, unknown, type, required, size, time")
    listing.add_argument("--file", help="only those of files whose names end so; an s3:// URL is one, too")
    with_place(listing)
    listing.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table, or json: an object a line (default: %(default)s)",
    )
    listing.add_argument(
        "--limit", type=_number, default=1000, help="so many lines at most (default: %(default)s)"
    )
    shown = command(
        quarantine,
        "show",
        "quarantine_show",
        "show one quarantined line",
        "sparkify quarantine show 2018-11-03-events.json:98",
    )
    shown.add_argument("place", type=_file_line, metavar="FILE:LINE", help="the end of the name is enough")
    shown.add_argument("--raw", action="store_true", help="nothing but the line's bytes, as they were")
    with_place(shown)
    retry = command(
        quarantine,
        "retry",
        "quarantine_retry",
        "judge quarantined lines by the rules in force now, and stage their files again if that changes any",
        "sparkify quarantine retry --date 2018-11-03",
    )
    retry.add_argument("--date", type=_day, help="those of a day's events (UTC), as in 2018-11-03")
    retry.add_argument("--source", choices=("events", "songs"), help="those of all days, or of the songs")
    trace = command(
        commands,
        "trace",
        "trace",
        "show where a play comes from, or what became of a file's lines",
        "sparkify trace 139-1",
    )
    trace.add_argument(
        "target",
        type=_traced,
        nargs="?",
        metavar="SONGPLAY_ID | FILE:LINE",
        help="as in 139-1, or 2018-11-03-events.json:98",
    )
    trace.add_argument("--file", help="a whole file: the end of its name, or its s3:// URL")
    trace.add_argument("--line", type=_number, help="just this line of --file")
    trace.add_argument(
        "--limit", type=_number, default=100, help="so many lines of a file at most (default: %(default)s)"
    )
    return top


def command() -> NoReturn:
    """The command `sparkify`: main(), and then the end at once.

    Threads of the S3 client may still hold Python objects, on which the interpreter's own end would abort.
    """
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else errors.DONE
    except BaseException:
        traceback.print_exc()
        code = errors.DATA_FAILURE
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _step(name: str) -> "Callable[[argparse.Namespace, Settings, Log], None]":
    """The function of a step, with all that it needs imported."""
    module, function = STEPS[name]
    gc.disable()  # nothing of it ever is garbage, and to look for some takes a tenth of the time
    try:
        step: Callable[[argparse.Namespace, Settings, Log], None] = getattr(
            import_module(f"sparkify.{module}"), function
        )
    finally:
        gc.freeze()
        gc.enable()
    return step


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command, as `sys.exit` ends it.

    Raises:
        SystemExit: always, with the command's exit code.
    """
    args = parser().parse_args(arguments)
    if args.step == "check" and (args.explain or args.results or args.history):
        args.step = "check_show"  # who only looks has not done the step, which the metrics would tell
    signal.signal(signal.SIGTERM, _terminate)
    run = args.run or f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"

    from sparkify.log import Log

    day = getattr(args, "date", None)
    log = Log(args.step, run, day and day.isoformat(), as_json=os.environ.get("SPARKIFY_LOG") == "json")
    from sparkify.settings import Settings

    settings: Settings | None = None
    code = errors.DATA_FAILURE  # of a surprise, which keeps its traceback
    started = time.monotonic()
    try:
        settings = Settings.from_env(os.environ)
        _step(args.step)(args, settings, log)
        code = errors.DONE
    except errors.NothingToDo as nothing:
        log.info(str(nothing))
        code = nothing.exit_code
    except errors.SparkifyError as error:
        code = error.exit_code
        log.error(str(error))
    except errors.Terminated:
        code = errors.TERMINATED
        log.warning("terminated")
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
        log.warning("interrupted")
    finally:
        if settings and settings.statsd:
            _measure(log, settings.statsd, code, time.monotonic() - started)
    sys.exit(code)


def _measure(log: "Log", statsd: tuple[str, int], code: int, seconds: float) -> None:
    """Send what the step measured. It has ended: nothing of this changes how."""
    from sparkify.metrics import EXIT_CODE, SECONDS

    host, port = statsd
    log.metrics.set(SECONDS, round(seconds * 1000), step=log.step, exit_code=str(code))
    log.metrics.set(EXIT_CODE, code, step=log.step)
    try:
        log.metrics.send(host, port)
    except OSError as error:
        log.warning("metrics were not sent; check SPARKIFY_STATSD", to=f"{host}:{port}", reason=str(error))
    except errors.Terminated:
        pass


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # A second SIGTERM must not interrupt the cancelling that the first began.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise errors.Terminated
