"""The DAG files as Airflow reads them: graph, schedule, runbook."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.dags.airflow_side import DAGS, midnight, scheduled, template_context

TASKS = ["stage_events", "stage_songs", "load", "check"]


def test_every_dag_file_is_imported_without_an_error(bag: Any) -> None:
    assert bag.import_errors == {}
    found = {dag_id: Path(dag.fileloc).name for dag_id, dag in bag.dags.items()}
    assert found == {"sparkify_daily": "sparkify_daily.py", "sparkify_tables": "sparkify_tables.py"}
    assert {path.name for path in DAGS.glob("*.py")} == {
        *found.values(),
        "notices.py",
        "pods.py",
        "worker_pod.py",
    }


@pytest.mark.parametrize("dag_id", ["sparkify_daily", "sparkify_tables"])
def test_a_dag_survives_the_way_to_the_scheduler(bag: Any, dag_id: str) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = bag.dags[dag_id]
    assert DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).task_ids == dag.task_ids


def test_both_stages_run_side_by_side_then_load_then_check(daily: Any) -> None:
    assert {task.task_id: task.upstream_task_ids for task in daily.tasks} == {
        "stage_events": set(),
        "stage_songs": set(),
        "load": {"stage_events", "stage_songs"},
        "check": {"load"},
    }
    assert {task.trigger_rule for task in daily.tasks} == {"all_success"}


def test_the_stages_are_a_group_for_whoever_looks_at_the_graph(daily: Any) -> None:
    assert set(daily.task_group.children) == {"stage", "load", "check"}
    assert set(daily.task_group.children["stage"].children) == {"stage_events", "stage_songs"}


def test_the_tables_dag_is_one_task_that_nobody_but_a_person_starts(tables: Any) -> None:
    (task,) = tables.tasks
    assert task.task_id == "tables_create"
    assert task.arguments == ["tables", "create", "--run", "{{ run_id }}"]
    assert scheduled(tables).can_be_scheduled is False


@pytest.mark.parametrize("heading", ["What it does", "Rerunning", "When it fails"])
@pytest.mark.parametrize("dag_id", ["sparkify_daily", "sparkify_tables"])
def test_every_dag_has_a_runbook(bag: Any, dag_id: str, heading: str) -> None:
    lines = [
        line.strip("# ") for line in (bag.dags[dag_id].doc_md or "").splitlines() if line.startswith("#")
    ]
    assert heading in lines, f"{dag_id}: add the heading {heading!r} to the docstring"


@pytest.mark.parametrize("name", ["sparkify_daily.py", "sparkify_tables.py"])
def test_a_dag_fits_on_a_screen(name: str) -> None:
    _, code = (DAGS / name).read_text().rsplit('"""', 1)
    assert len(code.strip().splitlines()) <= 40


def test_the_run_of_a_midnight_loads_the_day_that_ended_there(daily: Any) -> None:
    from airflow.timetables.base import TimeRestriction

    after = scheduled(daily).next_dagrun_info(
        last_automated_data_interval=scheduled(daily).infer_manual_data_interval(
            run_after=midnight(date(2018, 11, 3))
        ),
        restriction=TimeRestriction(earliest=daily.start_date, latest=None, catchup=True),
    )
    assert after.run_after == midnight(date(2018, 11, 4))
    run_id = f"scheduled__{after.data_interval.start.isoformat()}"
    assert _rendered(daily, after.data_interval, run_id) == {
        "stage_events": ["stage", "events", "--date", "2018-11-03", "--run", run_id],
        "stage_songs": ["stage", "songs", "--run", run_id],
        "load": ["load", "--date", "2018-11-03", "--run", run_id],
        "check": ["check", "--date", "2018-11-03", "--run", run_id],
    }


@pytest.mark.parametrize("hour", [0, 10, 23])
def test_a_run_by_hand_loads_the_last_day_that_had_ended(daily: Any, hour: int) -> None:
    interval = scheduled(daily).infer_manual_data_interval(
        run_after=midnight(date(2018, 11, 4)).add(hours=hour)
    )
    assert _rendered(daily, interval, "manual__1")["load"] == [
        "load",
        "--date",
        "2018-11-03",
        "--run",
        "manual__1",
    ]


def test_a_run_without_a_logical_date_fails_and_loads_no_day_by_chance(daily: Any) -> None:
    from jinja2 import UndefinedError

    task = daily.get_task("load").prepare_for_execution()
    with pytest.raises(UndefinedError, match="data_interval_start"):
        task.render_template_fields({"dag": daily, "run_id": "manual__1"})


def test_days_that_were_missed_are_not_caught_up_by_themselves(daily: Any) -> None:
    assert daily.catchup is False
    assert daily.max_active_runs == 3
    assert daily.start_date == midnight(date(2018, 11, 1))


def _rendered(dag: Any, interval: Any, run_id: str) -> dict[str, list[str]]:
    rendered = {}
    for name in TASKS:
        task = dag.get_task(name).prepare_for_execution()
        task.render_template_fields(template_context(dag, interval, run_id))
        rendered[name] = task.arguments
    return rendered
