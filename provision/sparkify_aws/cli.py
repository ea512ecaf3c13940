"""The command `sparkify-aws`: what Sparkify needs of an AWS account, made, shown and removed."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sparkify_aws import cost, outputs
from sparkify_aws.account import Account
from sparkify_aws.errors import AwsError, UsageError, explained
from sparkify_aws.resource import Found, Resource, Standing
from sparkify_aws.schema import sql_folder
from sparkify_aws.screen import Screen
from sparkify_aws.settings import Settings
from sparkify_aws.stack import Stack


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"{self.prog}: {message}; see {self.prog} --help\n")


@dataclass(frozen=True)
class _Run:
    """What a command works with."""

    options: argparse.Namespace
    stack: Stack
    screen: Screen

    @property
    def settings(self) -> Settings:
        return self.stack.account.settings


def command() -> None:
    sys.exit(main())


def main(arguments: Sequence[str] | None = None, session: boto3.Session | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 failed, 64 wrong usage, 75 type it again.

    `session` is the caller's own session of AWS, in place of one from the environment.
    """
    options = _parser().parse_args(arguments)
    screen = Screen()
    try:
        settings = Settings.from_file(options.settings)
        account = Account(session or boto3.Session(), settings, screen.say)
        run: Callable[[_Run], int] = options.command
        return run(
            _Run(options, Stack(account, options.sql, not getattr(options, "delete_data", False)), screen)
        )
    except AwsError as error:
        return _failed(options, error)
    except (ClientError, BotoCoreError) as error:
        return _failed(options, explained(error))
    except KeyboardInterrupt:
        print(f"{options.program}: interrupted; type the same command again: it goes on", file=sys.stderr)
        return 128 + signal.SIGINT


def _failed(options: argparse.Namespace, error: AwsError) -> int:
    print(f"{options.program}: {error}", file=sys.stderr)
    return error.exit_code


def _parser() -> argparse.ArgumentParser:
    top = _Parser(prog="sparkify-aws", description=__doc__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, run, help_text in (
        ("plan", _plan, "say what up would do and what a month costs; change nothing"),
        ("up", _up, "make what is not there, and change what is not as wanted"),
        ("status", _status, "say what is there"),
        ("outputs", _outputs, "print the chart's values for what was made"),
        ("down", _down, "remove what up has made"),
    ):
        parser = commands.add_parser(name, help=help_text, description=help_text)
        parser.set_defaults(command=run, program=parser.prog)
        parser.add_argument(
            "--settings", type=Path, default=Path("aws.toml"), metavar="FILE", help="default: aws.toml"
        )
        parser.add_argument("--sql", type=Path, default=sql_folder(), help=argparse.SUPPRESS)
        if name == "outputs":
            parser.add_argument("-o", dest="form", choices=("values", "json"), default="values")
        if name == "down":
            parser.add_argument("--yes", action="store_true", help="do not ask")
            parser.add_argument(
                "--delete-data",
                action="store_true",
                help="delete what is in the buckets, too, and the warehouse without a final snapshot",
            )
    return top


def _checked(run: _Run) -> list[tuple[Resource, Found]]:
    run.stack.check()
    with run.screen.working("look"):
        return run.stack.look()


def _plan(run: _Run) -> int:
    found = _checked(run)
    for each, state in found:
        print(f"{_verb(state):<8}{each}{_detail(state)}")
    for each in run.stack.left_by_other_settings():
        print(f"{'other':<8}{each}: made with other settings, and not in the estimate; only down removes it")
    print(
        f"\nA month costs about, in US dollars, by list prices of {cost.PRICED_REGION}, "
        f"written down on {cost.written()}:"
    )
    items = cost.estimate(run.settings)
    for item in items:
        price = item.price
        print(
            f"{item.dollars:10.2f}  {item.why}: {item.units:.0f} × {price.price:g} per {price.unit}"
            f" ({price.origin})"
        )
    print(f"{sum(item.dollars for item in items):10.2f}  together, without EKS and Airflow's database")
    most = cost.most(run.settings)
    if most is not None:
        print(
            f"{most:10.2f}  is the most that queries can cost: {run.settings.daily_rpu_hours} RPU-hours a day"
        )
    foreign = [str(each) for each, state in found if state.standing is Standing.FOREIGN]
    if foreign:
        raise AwsError(f"{', '.join(foreign)}: someone else's; up will touch nothing: choose another prefix")
    return 0


def _up(run: _Run) -> int:
    run.stack.check()
    with ExitStack() as working:

        def making(each: Resource, state: Found) -> None:
            working.enter_context(run.screen.working(f"{_verb(state)}  {each}{_detail(state)}"))

        changed = run.stack.up(making, lambda _: working.close())
    run.screen.line(f"{changed} of {len(run.stack.resources)} made or changed; the rest is as wanted")
    for each in run.stack.left_by_other_settings():
        run.screen.line(f"{each} was made with other settings and is still there; only down removes it")
    return 0


def _status(run: _Run) -> int:
    for each, state in _checked(run):
        standing = "as wanted" if state.is_as_wanted else state.standing.value
        print(f"{standing:<16}{each}{_detail(state)}")
    for each in run.stack.left_by_other_settings():
        print(f"{'other settings':<16}{each}")
    return 0


def _outputs(run: _Run) -> int:
    run.stack.check()
    values = outputs.values(run.stack)
    if run.options.form == "json":
        print(json.dumps(values, indent=2))
    else:
        print("# By sparkify-aws outputs: for helm, after helm/sparkify/values-eks.yaml.")
        print("\n".join(_yaml(values)))
    return 0


def _yaml(values: object, indent: str = "") -> list[str]:
    """Maps of maps of texts and booleans as YAML, of which JSON's scalars are a part."""
    assert isinstance(values, dict)
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_yaml(value, f"{indent}  ")]
        else:
            lines.append(f"{indent}{key}: {json.dumps(value)}")
    return lines


def _down(run: _Run) -> int:
    run.stack.check()
    prefix, is_deleted = run.settings.prefix, run.options.delete_data
    if not run.options.yes:
        what = (
            "and all data in it"
            if is_deleted
            else "but for buckets that are not empty; a final snapshot is kept"
        )
        if not sys.stdin.isatty():
            raise UsageError(f"removes {prefix}, {what}; say --yes if you mean it")
        run.screen.line(f"This removes {prefix} in {run.settings.region}, {what}.")
        print(f"Type {prefix} to go on: ", end="", flush=True)
        if sys.stdin.readline().strip() != prefix:
            raise UsageError("nothing was removed")
    try:
        with ExitStack() as working:

            def removing(each: Resource) -> None:
                working.close()
                working.enter_context(run.screen.working(f"remove  {each}"))

            removed = run.stack.down(is_deleted, removing)
        kept = [str(each) for each in removed.kept]
        left = [each for each in run.stack.left() if each not in kept]
    finally:  # a snapshot is kept, and costs, even if what comes after it fails
        for note in run.stack.account.notes:
            run.screen.line(note)
    for each in removed.foreign:
        run.screen.line(f"not touched, someone else's: {each}")
    for text in kept:
        run.screen.line(f"kept, it is not empty: {text}; sparkify-aws down --delete-data removes it")
    if left:
        raise AwsError(f"still there: {', '.join(left)}")
    else_ = " else" if kept or run.stack.account.notes else ""
    run.screen.line(f"{len(removed.gone)} removed; nothing{else_} with the tag is left")
    return 0


def _verb(state: Found) -> str:
    if state.standing is Standing.OURS:
        return "change" if state.differences else "keep"
    return "make" if state.standing is Standing.ABSENT else "foreign"


def _detail(state: Found) -> str:
    return f": {', '.join(state.differences)}" if state.differences else ""
