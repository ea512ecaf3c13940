"""The installed release, seen from outside; and one line for each scenario: what was expected, what was seen.

`make e2e` builds the images and installs the chart first. Not part of `make test`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from laptop import demo_data
from tests.e2e.airflow_api import Airflow
from tests.e2e.cluster import PodWatch
from tests.e2e.pipeline import Pipeline
from tests.e2e.sandbox import Source, Warehouse

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"
REAL_DAYS = [f"2018-11-{day:02}" for day in range(1, 11)]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """Ten real days where they are present, the demo's otherwise."""
    folder, days = REAL_DATA, REAL_DAYS
    if not folder.is_dir():
        folder = tmp_path_factory.mktemp("demo")
        demo_data.write(folder)
        days = [day.isoformat() for day in demo_data.days()]
    with closing(Source(folder, days)) as made:
        yield made


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    # SSL_CERT_FILE names the authorities that the warehouse's driver trusts.
    with (
        closing(Warehouse(tmp_path_factory.mktemp("warehouse"))) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(made.ca_file))
        yield made


@pytest.fixture(scope="session")
def pipeline(source: Source, warehouse: Warehouse) -> Iterator[Pipeline]:
    with closing(Airflow()) as airflow, PodWatch().running() as pods:
        made = Pipeline(airflow, pods, source, warehouse)
        made.until_there()
        yield made


@pytest.fixture
def loaded(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline with every day loaded, whatever the test before has left."""
    pipeline.calm()
    if not pipeline.is_loaded():
        pipeline.reset()
        pipeline.create_tables()
        pipeline.backfill()
    yield pipeline
    pipeline.warehouse.disarm()


Say = Callable[[str, str], None]


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Say:
    """What the scenario's line says: what was expected, and what was seen."""

    def both(expected: str, seen: str) -> None:
        record_property("expected", expected)
        record_property("seen", seen)

    return both


class Lines:
    """One line a scenario instead of pytest's dots."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        if report.failed:
            return ("failed" if report.when == "call" else "error", "", "")
        return ("passed", "", "") if report.when == "call" and report.passed else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not report.failed:
            return
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        said = dict(report.user_properties)
        scenario = re.sub(r"^test_", "", report.nodeid.split("::")[-1]).replace("_", " ")
        seen = said.get("seen") or (report.outcome if report.passed else _last_line(report))
        assert terminal is not None
        terminal.ensure_newline()
        expected = said.get("expected", "as its name says")
        terminal.write_line(
            f"{'ok ' if report.passed else 'NOT'} {scenario}"
            f" | expected: {expected} | seen: {seen} | {report.duration:.0f} s",
            green=report.passed,
            red=report.failed,
        )


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr)).splitlines()[0]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Lines(config), "e2e-lines")
