"""Reads the DAG files as Airflow does and renders what each task would run.

A program of its own, because importing Airflow takes seconds and sets up logging of its own. It reads its
request from standard input and writes its answer to standard output, both as JSON; see `laptop.graph`.
"""

import gc
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Answer one request."""
    gc.disable()  # importing Airflow makes a million objects that stay: looking through them takes a second
    # Whatever is written to standard output while Airflow is imported must not mix with the answer.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.load(sys.stdin)
    with answer:
        json.dump(_answer(request), answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = Path(request["folder"])
    bag = BundleDagBag(folder, bundle_path=folder, bundle_name="laptop")
    if bag.import_errors:
        return {"errors": bag.import_errors}
    tables, daily = bag.dags["sparkify_tables"], bag.dags["sparkify_daily"]
    run_id = request["run_id"]
    return {
        "tables": list(_tasks(tables, {"run_id": run_id})),
        "days": {
            day: list(_tasks(daily, _context(daily, date.fromisoformat(day), f"{run_id}__{day}")))
            for day in request["days"]
        },
    }


def _context(dag: Any, day: date, run_id: str) -> dict[str, Any]:
    """The template variables of the scheduled run whose data interval begins with `day`."""
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance

    # The scheduler decides by the serialized form; the DAG file's own timetable only describes itself.
    timetable = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).timetable
    begin = instance(datetime.combine(day, time(), UTC))
    run = timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=begin, latest=None, catchup=True),
    )
    interval = run and run.data_interval
    if interval is None or interval.start != begin:
        raise ValueError(f"{dag.dag_id} has no run whose data interval begins with {day}")
    return {
        "run_id": run_id,
        "data_interval_start": interval.start,
        "data_interval_end": interval.end,
        "logical_date": interval.start,
        "ds": interval.start.strftime("%Y-%m-%d"),
        "ts": interval.start.isoformat(),
    }


def _tasks(dag: Any, context: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for task in dag.topological_sort():
        if task.trigger_rule != "all_success":
            raise ValueError(
                f"{task.task_id}: only tasks that need the success of all before them can run here"
            )
        rendered = task.prepare_for_execution()
        run = SimpleNamespace(run_id=context["run_id"], clear_number=0)
        rendered.render_template_fields(
            {**context, "dag": dag, "dag_run": run, "task": rendered, "params": dict(dag.params)}
        )
        yield {
            "task_id": task.task_id,
            "arguments": rendered.arguments,
            "upstream": sorted(task.upstream_task_ids),
            "retries": task.retries,
            "skip_on_exit_code": list(task.skip_on_exit_code),
            "fail_on_exit_code": list(task.fail_on_exit_code),
        }


if __name__ == "__main__":
    main()
