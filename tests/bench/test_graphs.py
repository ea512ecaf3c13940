"""Airflow can read the benchmarks' graphs, which lie beside ours in their image."""

import shutil
from pathlib import Path

from bench.kubernetes import HERE
from tests.dags.airflow_side import DAGS, read_by_airflow


def test_each_graph_of_the_benchmarks_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (HERE / "dags").glob("*.py"):
        shutil.copy(file, folder)
    with read_by_airflow(folder, tmp_path) as bag:
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
