"""`python -m laptop`: run the pipeline here, and ask the warehouse what it loaded."""

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from types import FrameType
from typing import NoReturn

from laptop.errors import LaptopError, UsageError

ROOT = Path(__file__).parent.parent


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"{self.prog}: {message}; see {self.prog} --help\n")


class _Terminated(KeyboardInterrupt):
    """SIGTERM or a closed terminal: ends everything as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 a day failed or the sandbox did, 64 wrong usage."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _terminate)
    # A proxy cannot reach this machine's own addresses.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except LaptopError as error:
        print(f"{options.program}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader, such as head, has seen enough; what is still buffered is for nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that is not ours
        print(
            f"{options.program}: {error.filename or options.state}: {error.strerror or error}",
            file=sys.stderr,
        )
        return 1
    except _Terminated:
        print(f"{options.program}: terminated", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print(f"{options.program}: interrupted; the next run goes on", file=sys.stderr)
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    top = _Parser(prog="python -m laptop", description=__doc__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    run = commands.add_parser("run", help="load days through the DAGs' own graph")
    run.set_defaults(command=_run)
    run.add_argument("--data", type=Path, help="folder laid out as the source bucket (default: demo data)")
    run.add_argument("--from", type=_day, dest="first", metavar="DAY", help="first day, as in 2018-11-01")
    run.add_argument(
        "--to",
        type=_day,
        dest="last",
        metavar="DAY",
        help="last day; without --from and --to, the days that have a file",
    )
    ask = commands.add_parser("sql", help="ask the sandbox's warehouse")
    ask.set_defaults(command=_sql)
    ask.add_argument("--query", help="one statement (default: a prompt)")
    ask.add_argument("--format", choices=("table", "csv"), default="table", help="(default: %(default)s)")
    shell = commands.add_parser("shell", help="a shell beside the sandbox, for the worker's own commands")
    shell.set_defaults(command=_shell)
    for command in (run, ask, shell):
        command.set_defaults(program=command.prog)
        command.add_argument(
            "--state",
            type=Path,
            default=ROOT / ".state",
            help="folder of the sandbox's tables (default: .state)",
        )
    return top


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a day of the form 2018-11-03")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day: {error}") from error


def _run(options: argparse.Namespace) -> int:
    from laptop.run import run

    return run(options.data, options.first, options.last, options.state.absolute())


def _sql(options: argparse.Namespace) -> int:
    from laptop import sql, warehouse

    state: Path = options.state.absolute()
    with warehouse.sandbox_or_running_one(state) as endpoint:
        if options.query is not None:
            sql.query(endpoint, options.query, options.format)
        else:
            sql.prompt(endpoint, options.format, state / "sql_history")
    return 0


def _shell(options: argparse.Namespace) -> int:
    from laptop import warehouse

    with warehouse.sandbox_or_running_one(options.state.absolute()) as endpoint:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        print("sparkify's environment is that of the sandbox, which stops with this shell", file=sys.stderr)
        return subprocess.run(
            [os.environ.get("SHELL", "/bin/sh")],
            env={**warehouse.environment(endpoint), "PATH": path},
            check=False,
        ).returncode


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main())
