"""`python -m deploy`: bring the pipeline up on Kubernetes, the sandbox in place of AWS, and down again."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from deploy import chart, cluster, data, images, tools
from deploy.errors import DeployError, UsageError
from deploy.settings import Settings
from laptop.errors import LaptopError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 something failed, 64 wrong usage."""
    options = _parser().parse_args(arguments)
    # A proxy cannot reach this machine's own addresses.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    # Its own authorities are for a warehouse: kubectl and helm have theirs.
    os.environ.pop("SSL_CERT_FILE", None)
    command: Callable[[argparse.Namespace, Settings], None] = options.command
    try:
        command(options, Settings.from_environment(os.environ))
    except (DeployError, LaptopError) as error:
        print(f"{options.program}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{options.program}: interrupted; the next one goes on", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def _parser() -> argparse.ArgumentParser:
    top = _Parser(prog="python -m deploy", description=__doc__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, command, help_text in (
        ("up", _up, "build the images, install the chart, upload the source data"),
        ("down", _down, "remove what up has made"),
        ("images", _images, "build and push the images; print their references by digest"),
        ("data", _data, "upload the source data"),
        ("chart", _chart, "have the archive of Airflow's chart beside ours"),
    ):
        parser = commands.add_parser(name, help=help_text)
        parser.set_defaults(command=command, program=parser.prog)
        if name in ("up", "data"):
            parser.add_argument(
                "--data", type=Path, help="folder laid out as the source bucket (default: demo data)"
            )
            parser.add_argument("--from", type=_day, dest="first", metavar="DAY", help="first day to load")
            parser.add_argument("--to", type=_day, dest="last", metavar="DAY", help="last day to load")
    return top


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day of the form 2018-11-03") from None


def _up(options: argparse.Namespace, settings: Settings) -> None:
    for name in (settings.docker, "helm", "kubectl"):
        tools.program(name)  # now, not after minutes of building
    used, settings = cluster.up(settings)
    _say(f"context {used.context}, release {settings.release} in namespace {settings.namespace}")
    images.check_registry(settings)
    cluster.check_rights(used, settings)
    chart.check_ours(used, settings)
    chart.fetch_dependency()
    built = images.build_and_push(settings)
    chart.install(used, settings, built)
    days, said = data.upload(used, settings, options.data, options.first, options.last)
    _say(said)
    print(f"{chart.notes(used, settings)}\n{_backfill(settings, days)}")


def _down(options: argparse.Namespace, settings: Settings) -> None:
    used = cluster.current(settings)
    if used is None:
        _say(f"there is no kind cluster {settings.kind_cluster}")
        return
    if chart.check_ours(used, settings):
        chart.uninstall(used, settings)
        _say(f"removed the release {settings.release} from namespace {settings.namespace} of {used.context}")
    else:
        _say(f"there is no release {settings.release} in namespace {settings.namespace} of {used.context}")
    if cluster.down(settings, used):
        _say(f"deleted the kind cluster {settings.kind_cluster}")


def _images(options: argparse.Namespace, settings: Settings) -> None:
    if not settings.push and settings.registry is None:
        _, settings = cluster.up(settings)
    built = images.build_and_push(settings)
    print(f"WORKER={built.worker}\nAIRFLOW={built.airflow}\nSANDBOX={built.sandbox}")


def _data(options: argparse.Namespace, settings: Settings) -> None:
    used = cluster.current(settings)
    if used is None:
        raise DeployError(f"there is no kind cluster {settings.kind_cluster}: make up makes it")
    days, said = data.upload(used, settings, options.data, options.first, options.last)
    _say(said)
    print(_backfill(settings, days))


def _chart(options: argparse.Namespace, settings: Settings) -> None:
    chart.fetch_dependency()


def _backfill(settings: Settings, days: list[date]) -> str:
    scheduler = f"deploy/{settings.release}-airflow-scheduler"
    return (
        "\nLoad the days that were uploaded:\n"
        f"     kubectl exec -n {settings.namespace} {scheduler} -c scheduler -- airflow backfill create"
        f" --dag-id sparkify_daily --from-date {days[0]} --to-date {days[-1]}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
