"""The graph that the DAG files describe, with each task's own arguments for each day."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from laptop.errors import LaptopError

ROOT = Path(__file__).parent.parent
DAGS = ROOT / "dags"

# The DAGs insist on an image by digest. Here nothing runs in a container.
_IMAGE = f"sparkify-worker@sha256:{'0' * 64}"


@dataclass(frozen=True)
class Task:
    """One task of one run, ready to run."""

    task_id: str
    arguments: tuple[str, ...]  # of the worker's command
    upstream: tuple[str, ...]  # all must succeed before it begins
    retries: int
    skip_on_exit_code: tuple[int, ...]
    fail_on_exit_code: tuple[int, ...]  # no retry


@dataclass(frozen=True)
class Graph:
    """The tables DAG's run and one run of the daily DAG for each day; tasks in an order that can be run."""

    tables: tuple[Task, ...]
    days: dict[date, tuple[Task, ...]]


class Reading:
    """The DAG files being read by a process beside this one."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def graph(self) -> Graph:
        """Wait for it.

        Raises:
            LaptopError: a DAG file cannot be imported, or its tasks cannot be rendered.
        """
        said, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise LaptopError(f"the DAGs cannot be read: {_last_line(self._log)}; see {self._log}")
        answer = json.loads(said)
        if "errors" in answer:
            errors = "; ".join(
                f"{file}: {text.strip().splitlines()[-1]}" for file, text in answer["errors"].items()
            )
            raise LaptopError(f"the DAGs cannot be imported: {errors}")
        return Graph(
            tuple(_task(task) for task in answer["tables"]),
            {
                date.fromisoformat(day): tuple(_task(task) for task in tasks)
                for day, tasks in answer["days"].items()
            },
        )


@contextmanager
def reading(state: Path, run_id: str, days: Sequence[date], log: Path) -> Iterator[Reading]:
    """Begin to read the DAG files; ends with the context, whatever happens."""
    request = {"folder": str(DAGS), "run_id": run_id, "days": [day.isoformat() for day in days]}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(state / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "SPARKIFY_WORKER_IMAGE": _IMAGE,
    }
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "laptop.render"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the runner, which ends this context
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        process.stdin = None  # communicate() must not flush it again
        yield Reading(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _task(fields: dict[str, Any]) -> Task:
    return Task(
        fields["task_id"],
        tuple(fields["arguments"]),
        tuple(fields["upstream"]),
        fields["retries"],
        tuple(fields["skip_on_exit_code"]),
        tuple(fields["fail_on_exit_code"]),
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
