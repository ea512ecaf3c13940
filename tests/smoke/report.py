"""A pytest plugin for `make smoke`: which of the sandbox's behaviours a real Redshift shares, as a table.

The behaviours are the rows of the tables in sandbox/README.md; each names the tests that hold it.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

README = Path(__file__).parents[2] / "sandbox" / "README.md"


@dataclass(frozen=True)
class Behaviour:
    name: str
    expected: str
    tests: tuple[str, ...]


def behaviours() -> list[Behaviour]:
    """Those that the sandbox's README tells of, each with a test."""
    cell = r" *((?:[^|`]|`[^`]*`)*?) *"
    rows = re.findall(rf"^\|{cell}\|{cell}\|{cell}\|{cell}\|$", README.read_text(), re.M)
    found = [
        Behaviour(
            name,
            documented if sandbox.startswith("the same") else sandbox,
            tuple(re.findall(r"`(test_\w+)`", tests)),
        )
        for name, documented, sandbox, tests in rows
    ]
    return [behaviour for behaviour in found if behaviour.tests]


def is_for_a_real_one(item: pytest.Item) -> bool:
    """Whether a test needs nothing of the sandbox but that it is a warehouse beside an S3."""
    function = getattr(item, "function", None)
    wants = set(inspect.signature(function).parameters) if function else set()
    return item.get_closest_marker("sandbox_only") is None and not wants & {
        "sandbox",
        "control",
        "s3",
        "bucket",
    }


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Report:
    """What became of each test, and then of each behaviour."""

    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    passed: set[str] = field(default_factory=set)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if is_for_a_real_one(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.split("::")[-1].split("[")[0]
        if report.failed:
            self.failures[name].append(_last_line(report))
        elif report.when == "call" and report.passed:
            self.passed.add(name)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        table = Table("behaviour", "expected", "seen", box=None, pad_edge=False)
        same = untried = 0
        told: set[str] = set()
        for behaviour in behaviours():
            seen = [said for test in behaviour.tests for said in self.failures.get(test, [])]
            told |= set(behaviour.tests)
            if seen:
                table.add_row(behaviour.name, behaviour.expected, f"DIFFERS: {seen[0]}")
            elif self.passed.issuperset(behaviour.tests):
                same += 1
            else:
                untried += 1
        for test in self.failures.keys() - told:
            sentence = test.removeprefix("test_").replace("_", " ")
            table.add_row(sentence, "as its name says", f"DIFFERS: {self.failures[test][0]}")
        terminalreporter.ensure_newline()
        if table.row_count:
            Console(width=160, highlight=False, markup=False).print(table)
        terminalreporter.write_line(
            f"{same} behaviours are as the sandbox has them, {table.row_count} are not, "
            f"{untried} were not tried"
        )


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join((crash.message if crash else str(report.longrepr)).split())[:300]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Report(), "smoke-report")
