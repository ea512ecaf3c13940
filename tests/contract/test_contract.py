"""Where the DAGs' side and the worker's meet: a command line, exit codes, an environment."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from laptop import graph, warehouse
from redshift_sandbox import Endpoint
from sparkify import cli, errors
from sparkify.settings import Settings

ROOT = Path(__file__).parents[2]
DAYS = [date(2018, 11, 3), date(2020, 2, 29)]
TASKS = ["stage_events", "stage_songs", "load", "check"]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[graph.Graph]:
    """Both DAGs, with each task's arguments rendered for two days."""
    folder = tmp_path_factory.mktemp("graph")
    with graph.reading(folder, "scheduled__x", DAYS, folder / "dags.log") as reading:
        yield reading.graph()


@pytest.mark.parametrize("task_id", TASKS)
@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_worker_understands_what_a_task_of_a_day_tells_it(
    graphs: graph.Graph, day: date, task_id: str
) -> None:
    (task,) = (task for task in graphs.days[day] if task.task_id == task_id)
    understood = cli.parser().parse_args(task.arguments)
    assert understood.step == task_id
    assert understood.run == f"scheduled__x__{day}"
    assert getattr(understood, "date", day) == day
    assert hasattr(understood, "date") == (task_id != "stage_songs")


def test_the_worker_understands_what_the_tables_task_tells_it(graphs: graph.Graph) -> None:
    (task,) = graphs.tables
    understood = cli.parser().parse_args(task.arguments)
    assert (understood.step, understood.run) == ("tables_create", "scheduled__x")


def test_there_is_no_task_beside_those(graphs: graph.Graph) -> None:
    found = {day: [task.task_id for task in tasks] for day, tasks in graphs.days.items()}
    assert found == dict.fromkeys(DAYS, TASKS)


@pytest.mark.parametrize(
    "run_id",
    [
        "scheduled__2018-11-03T00:00:00+00:00",
        "manual__2018-11-03T10:00:00.123456+00:00_Qp7FzVd3",
        "backfill__2018-11-03T00:00:00+00:00",
        "r" * 250,
    ],
)
def test_the_worker_takes_every_run_id_that_airflow_makes(run_id: str) -> None:
    assert cli.parser().parse_args(["stage", "songs", "--run", run_id]).run == run_id


def test_both_sides_mean_the_same_by_an_exit_code(graphs: graph.Graph) -> None:
    tasks = [*graphs.tables, *(task for tasks in graphs.days.values() for task in tasks)]
    assert {task.skip_on_exit_code for task in tasks} == {(errors.NOTHING_TO_DO,)}
    assert {task.fail_on_exit_code for task in tasks} == {(errors.DATA_FAILURE, errors.USAGE)}
    # What is in neither list is retried.
    assert {errors.PASSING, errors.TERMINATED}.isdisjoint(
        {errors.NOTHING_TO_DO, errors.DATA_FAILURE, errors.USAGE}
    )


@pytest.fixture
def environment(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the laptop's runner gives a worker, with nothing set by the caller."""
    for name in Settings.variables():
        monkeypatch.delenv(name, raising=False)
    return warehouse.environment(sandbox)


@pytest.mark.parametrize("variable", Settings.variables())
def test_the_runner_provides_what_the_worker_reads(environment: dict[str, str], variable: str) -> None:
    setting = Settings.variables()[variable]
    assert variable in environment or setting["default"] is not None


@pytest.mark.parametrize("variable", Settings.variables())
def test_the_readme_tells_of_every_setting(variable: str) -> None:
    assert f"`{variable}`" in (ROOT / "README.md").read_text()


def test_the_worker_accepts_the_values_of_the_runner(environment: dict[str, str], sandbox: Endpoint) -> None:
    settings = Settings.from_env(environment)
    assert settings.source.url() == "s3://sparkify-source/"
    assert settings.staging.url() == "s3://sparkify-staging/"
    assert (settings.host, settings.port) == (sandbox.host, sandbox.port)


def test_what_the_caller_sets_for_the_worker_reaches_it_but_not_another_s3(
    sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKIFY_MISSING_DAY", "empty")
    monkeypatch.setenv("AWS_PROFILE", "a real account")
    environment = warehouse.environment(sandbox)
    assert environment["SPARKIFY_MISSING_DAY"] == "empty"
    assert "AWS_PROFILE" not in environment


@pytest.mark.parametrize("path", sorted((ROOT / "dags").rglob("*.py")), ids=lambda path: path.name)
def test_the_dags_import_nothing_of_the_worker(path: Path) -> None:
    ours = {"notices", "pods", "worker_pod"}
    assert _imported(path) <= sys.stdlib_module_names | ours | {"airflow", "kubernetes", "urllib3"}


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "worker_image" / "sparkify").rglob("*.py")),
    ids=lambda path: path.stem,
)
def test_the_worker_imports_nothing_of_the_dags_the_laptop_or_the_sandbox(path: Path) -> None:
    others = {"airflow", "kubernetes", "pods", "dags", "laptop", "redshift_sandbox", "tests"}
    assert _imported(path).isdisjoint(others)


def test_nothing_in_the_dags_folder_is_named_as_the_worker_is() -> None:
    assert not [path for path in (ROOT / "dags").iterdir() if path.stem == "sparkify"]


def _imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
