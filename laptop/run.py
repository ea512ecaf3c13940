"""`python -m laptop run`: the days of a folder, or of the demo, through the DAGs' own graph."""

import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

from laptop import demo_data, graph, source, summary, warehouse
from laptop.errors import LaptopError
from laptop.screen import Screen
from laptop.steps import Steps


def run(data: Path | None, first: date | None, last: date | None, state: Path) -> int:
    """Load the days and print what became of them; returns the exit code: 0, or 1 when a day failed.

    Raises:
        LaptopError: it cannot begin: the days, the folder, the sandbox, the DAGs or the tables.
    """
    folder = data.absolute() if data else _demo(state)
    days = source.plan(folder, first, last)
    run_id = f"laptop__{datetime.now(UTC):%Y%m%dT%H%M%S}"
    logs = state / "logs" / run_id
    logs.mkdir(parents=True, exist_ok=True)
    screen = Screen()
    screen.line(f"Sparkify: {_span(days)} of {data or 'demo data'}; logs in {_short(logs)}")
    with ExitStack() as stack:
        # Importing Airflow takes as long as starting the sandbox: side by side.
        reading = stack.enter_context(graph.reading(state, run_id, days, logs / "dags.log"))
        with screen.live(len(days)):
            with screen.working("sandbox") as told:
                endpoint = stack.enter_context(warehouse.sandbox(state))
                told.append(f"warehouse {endpoint.host}:{endpoint.port}, S3 {endpoint.s3_endpoint}")
            environment = warehouse.environment(endpoint)
            with screen.working("source") as told:
                source.make_buckets((warehouse.SOURCE_BUCKET, warehouse.STAGING_BUCKET), environment)
                mirrored = source.mirror(folder, warehouse.SOURCE_BUCKET, environment)
                told.append(f"{mirrored.uploaded:,} files uploaded, {mirrored.unchanged:,} unchanged")
                told.extend([f"{mirrored.deleted:,} objects deleted"] if mirrored.deleted else [])
            with screen.working("DAGs"):
                graphs = reading.graph()
            steps = stack.enter_context(Steps(worker(), environment))
            with screen.run("tables", graphs.tables, is_day=False) as view:
                made = steps.run(graphs.tables, logs / "tables", view)
            for name, outcome in made.items():
                if outcome.error is not None:
                    raise LaptopError(f"{name} failed: {outcome.error}; its log is {_short(outcome.log)}")
            runs = []
            for day, tasks in graphs.days.items():
                begin = time.monotonic()
                with screen.run(str(day), tasks) as view:
                    outcomes = steps.run(tasks, logs / str(day), view)
                runs.append(summary.DayRun(day, outcomes, time.monotonic() - begin))
        summary.show(screen.console, endpoint, runs)
    failed = [run for run in runs if run.failures]
    for day_run in failed:
        for name, outcome in day_run.failures:
            screen.line(f"{day_run.day} {name} failed: {outcome.error}; its log is {_short(outcome.log)}")
    return 1 if failed else 0


def worker() -> list[str]:
    """The worker's command, installed beside this Python.

    Raises:
        LaptopError: it is not.
    """
    command = shutil.which("sparkify", path=Path(sys.executable).parent)
    if command is None:
        raise LaptopError(f"there is no command sparkify beside {sys.executable}: make install")
    return [command]


def _demo(state: Path) -> Path:
    folder = state / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    demo_data.write(folder)
    return folder


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]},"


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
