"""The whole pipeline: files in, runs of the DAGs, tables out, and whether all of it agrees."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import redshift_connector

from tests import command, oracle
from tests.e2e.airflow_api import ENDED, Airflow, Task, quoted
from tests.e2e.cluster import JOBS, Pod, PodWatch, kubectl, situation, wait_until
from tests.e2e.sandbox import Source, Warehouse, expected_ledger

DAILY, TABLES = "sparkify_daily", "sparkify_tables"


@dataclass(frozen=True)
class Pipeline:
    airflow: Airflow
    pods: PodWatch
    source: Source
    warehouse: Warehouse

    @property
    def days(self) -> list[str]:
        return sorted(self.source.events)

    def until_there(self) -> None:
        """Wait until Airflow has read the DAGs."""
        for dag in (DAILY, TABLES):
            wait_until(f"Airflow has the DAG {dag}", 300, partial(self.airflow.has, dag))

    def reset(self) -> None:
        """As after the installation: no runs, no pods, no tables; the files are in the bucket."""
        self.airflow.cancel_backfills(DAILY)
        for dag in (DAILY, TABLES):
            for run in self.airflow.runs(dag):
                self.airflow.delete(f"dags/{dag}/dagRuns/{quoted(run)}")
            self.airflow.patch(f"dags/{dag}", is_paused=False)
        kubectl("delete", "pods", "--all", "-n", JOBS, "--wait", "--timeout=180s", timeout=200)
        self.pods.forget()
        self.warehouse.disarm()
        environment = {**os.environ, **self.warehouse.environment()}
        dropped = command.end(command.start(("tables", "drop", "--yes"), environment))
        assert dropped.code == 0, dropped.log
        self.source.fill()

    def calm(self) -> None:
        """End the runs that a failed test has left, and wait until no pod of theirs works."""
        self.warehouse.disarm()
        for dag in (DAILY, TABLES):
            for run, state in self.airflow.runs(dag).items():
                if state not in ENDED:
                    self.airflow.mark(dag, run, "failed")
        wait_until("no pod works", 180, lambda: not self.pods.active())

    def create_tables(self) -> str:
        run = self.airflow.trigger(TABLES)
        self.ends(TABLES, run, "success", 180)
        return run

    def backfill(self) -> list[str]:
        """Load every day through the scheduler, as docs/operations.md says; the runs' ids."""
        said = self.airflow.command(
            *(
                "backfill",
                "create",
                "--dag-id",
                DAILY,
                "--from-date",
                self.days[0],
                "--to-date",
                self.days[-1],
            ),
            *("--reprocess-behavior", "completed", "--max-active-runs", "3"),
        )
        by_day = self.airflow.runs_of_days()
        assert by_day.keys() >= set(self.days), said
        runs = [by_day[day] for day in self.days]
        for run in runs:
            self.ends(DAILY, run, "success", 900)
        return runs

    def is_loaded(self) -> bool:
        if not self.airflow.runs_of_days().keys() >= set(self.days):
            return False
        try:
            self.agrees()
        except (AssertionError, redshift_connector.Error):
            return False
        return True

    def again(self, day: str) -> str:
        """Deliver the day's file again, corrected, and clear the day's run."""
        run = self.airflow.runs_of_days()[day]
        self.pods.forget(run)
        self.source.correct(day)
        self.airflow.clear(DAILY, run)
        return run

    def ends(self, dag: str, run: str, state: str, seconds: float = 420) -> dict[str, Task]:
        """Wait for the run's end, and see that it ended so and told the truth of its pods."""
        ended = self.airflow.wait_for(dag, run, seconds)
        tasks = self.airflow.tasks(dag, run)
        told = f"{run}: {ended}: {', '.join(map(str, tasks.values()))}"
        assert ended == state, f"{told}\n{self._last_logs(dag, run, tasks.values())}\n{situation()}"
        wait_until(
            f"no pod of {run} works without a task",
            60,
            lambda: not any(pod.active for pod in self.pods.pods(run)),
        )
        for task in tasks.values():
            self._is_true(task, self.pods.pods(run, task.name))
        return tasks

    def _is_true(self, task: Task, pods: list[Pod]) -> None:
        """A task is green if and only if its last pod succeeded, and none ran again after that."""
        told = f"{task}; its pods: {', '.join(map(str, pods)) or 'none'}"
        succeeded = [pod for pod in pods if pod.succeeded]
        if task.state == "success":
            assert len(succeeded) == 1, told
            assert pods[-1].succeeded, told
        else:
            assert not succeeded, told

    def agrees(self) -> None:
        """The star, and what the ledger says, are those of the files: row for row."""
        source = self.source
        _same(self.warehouse.star(), oracle.star(source.events, source.songs))
        _same(self.warehouse.ledger(), expected_ledger(source.events, source.songs))

    def worker(self, run: str, task: str, seconds: float = 180) -> Pod:
        """The running pod of a task."""

        def running() -> Pod | None:
            found = [pod for pod in self.pods.pods(run, task) if pod.phase == "Running" and pod.active]
            return found[-1] if found else None

        return wait_until(f"a pod of {task} of {run} runs", seconds, running, pause=0.2)

    def hold_copy(self, seconds: float) -> None:
        """Make the next COPY of events last."""
        self.warehouse.arm(
            action="delay", match="copy staging_events", application="^sparkify", seconds=seconds
        )

    def until_copying(self, run: str, since: int) -> Pod:
        """The pod of stage_events once it is inside of the COPY that `hold_copy` makes long."""
        query = (
            f"select count(*) from sandbox.statements where number > {since} and sqlstate is null"
            " and application like 'sparkify%' and sql like '%delete from staging_events%'"
        )
        pod = self.worker(run, "stage_events")
        # The COPY comes right after the DELETE, in the same transaction, and is logged when it has ended.
        wait_until("stage_events is in its COPY", 120, lambda: self.warehouse.rows(query)[0][0])
        return pod

    def _last_logs(self, dag: str, run: str, tasks: Iterable[Task]) -> str:
        said = []
        for task in tasks:
            if task.state not in ("success", None, "upstream_failed"):
                lines = self.airflow.log(dag, run, task.name, task.tries).splitlines()
                said += [f"log of {task}:", *lines[-15:]]
        return "\n".join(said)


def _same(seen: dict[str, set[tuple[object, ...]]], expected: dict[str, set[tuple[object, ...]]]) -> None:
    assert seen.keys() == expected.keys()
    for name, rows in expected.items():
        missing, extra = rows - seen[name], seen[name] - rows
        told = (
            f"{name}: {len(missing)} of {len(rows)} rows missing, {len(extra)} too many;"
            f" missing: {sorted(missing, key=str)[:2]}; too many: {sorted(extra, key=str)[:2]}"
        )
        assert (missing, extra) == (set(), set()), told
