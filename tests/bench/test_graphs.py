"""Airflow can read the benchmarks' graphs, which lie beside ours in their image."""

import shutil
import sys
import warnings
from pathlib import Path

import pytest

from bench.kubernetes import HERE
from tests.dags.airflow_side import DAGS, IMAGE


def test_each_graph_of_the_benchmarks_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dags"
    shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (HERE / "dags").glob("*.py"):
        shutil.copy(file, folder)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    monkeypatch.setenv("SPARKIFY_WORKER_IMAGE", IMAGE)
    monkeypatch.syspath_prepend(str(folder))
    ours = ("notices", "pods", "worker_pod")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        from airflow.dag_processing.dagbag import DagBag

        for name in ours:
            monkeypatch.delitem(sys.modules, name, raising=False)
        bag = DagBag(folder, bundle_path=folder, bundle_name="dags")
        for name in ours:
            sys.modules.pop(name, None)
    assert bag.import_errors == {}
    shapes = {dag.dag_id: sorted(dag.task_ids) for dag in bag.dags.values()}
    assert len(shapes.pop("outcomes_synchronous")) == len(shapes.pop("outcomes_deferrable")) == 25
    tables = ["artists", "check", "songplays", "songs", "stage_events", "stage_songs", "time", "users"]
    steps = ["check", "load", "stage_events", "stage_songs"]
    assert {name: ids for name, ids in shapes.items() if name.endswith(("_idle", "_day"))} == {
        "tutorial_idle": tables,
        "tutorial_day": tables,
        "ours_idle": steps,
        "ours_day": steps,
    }
