"""`python -m delivery`: what the workflows do for a release, from the root of a clone."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from delivery import difference, publish, release
from delivery.propose import propose
from deploy.errors import DeployError, UsageError
from deploy.settings import Settings


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 something failed, 64 wrong usage."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Path], str] = options.command
    try:
        root = Path.cwd()
        if not (root / "gitops").is_dir():
            raise UsageError(f"{root} has no gitops/: start from the root of a clone")
        print(command(options, root))
    except DeployError as error:
        print(f"{options.program}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    top = _Parser(prog="python -m delivery", description=__doc__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(
        name: str, command: Callable[[argparse.Namespace, Path], str], text: str
    ) -> argparse.ArgumentParser:
        parser = commands.add_parser(name, help=text, description=text)
        parser.set_defaults(command=command, program=parser.prog)
        return parser

    publishing = add(
        "publish",
        _publish,
        "build the worker's and Airflow's images and push them to REGISTRY under the commit's name; "
        "print the release",
    )
    publishing.add_argument("--revision", required=True, help="the commit that is checked out")
    recording = add("record", _record, "write a release into an environment's files")
    recording.add_argument("environment", choices=release.ENVIRONMENTS)
    recording.add_argument("--revision", required=True, help="the commit whose chart it is")
    recording.add_argument("--worker", required=True, help="the worker's image by digest")
    recording.add_argument("--airflow", required=True, help="Airflow's image by digest")
    add("promote", _promote, "write staging's release into production's files")
    for name, command, text in (
        ("show", _show, "print the release that an environment's files name"),
        ("propose", _propose, "open a pull request with what was written, or renew it"),
    ):
        add(name, command, text).add_argument("environment", choices=release.ENVIRONMENTS)
    comparing = add(
        "difference",
        _difference,
        "print what the working tree changes in an environment, as the chart renders it",
    )
    comparing.add_argument("environment", choices=release.ENVIRONMENTS)
    comparing.add_argument("--base", default="HEAD", help="the commit to compare with (default: HEAD)")
    return top


def _publish(options: argparse.Namespace, root: Path) -> str:
    return _said(publish.publish(Settings.from_environment(os.environ), options.revision))


def _record(options: argparse.Namespace, root: Path) -> str:
    given = release.Release.of(options.revision, options.worker, options.airflow)
    release.write(root, options.environment, given)
    return f"{options.environment} is to run {given.short}"


def _promote(options: argparse.Namespace, root: Path) -> str:
    release.write(root, "production", _release(root, "staging"))
    return f"production is to run {_release(root, 'production').short}"


def _show(options: argparse.Namespace, root: Path) -> str:
    return _said(_release(root, options.environment))


def _propose(options: argparse.Namespace, root: Path) -> str:
    return propose(root, options.environment)


def _difference(options: argparse.Namespace, root: Path) -> str:
    sides = (difference.at(root, options.environment, commit) for commit in (options.base, None))
    return difference.between(*sides).rstrip("\n") or "no rendered object differs"


def _release(root: Path, environment: str) -> release.Release:
    found = release.read(root, environment)
    if found is None:
        raise UsageError(f"nothing has been delivered to {environment} yet")
    return found


def _said(of: release.Release) -> str:
    """As a shell and GitHub's outputs read it."""
    return f"revision={of.revision}\nworker={of.worker}\nairflow={of.airflow}"


if __name__ == "__main__":
    sys.exit(main())
