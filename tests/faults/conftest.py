"""The ground of the fault matrix, and its table at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redshift_sandbox import Endpoint
from tests.faults.ground import Ground, ground
from tests.faults.s3_proxy import s3_proxy
from tests.star.conftest import pipeline as pipeline


@pytest.fixture(scope="session")
def matrix(sandbox: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with (
        s3_proxy(sandbox.s3_endpoint) as proxy,
        ground(sandbox, proxy, Path(tmp_path_factory.mktemp("faults"))) as made,
    ):
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the table of cases, and how many ended how."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    cases = sorted(
        tuple(case) for report in reports for name, case in report.user_properties if name == "case"
    )
    if not cases:
        return
    head = ("step", "fault", "number", "statement or request", "first end", "attempts", "outcome")
    widths = [max(len(str(row[column])) for row in [head, *cases]) for column in range(len(head) - 1)]
    terminalreporter.section("fault matrix")
    for row in [head, *cases]:
        cells = [str(cell).ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        terminalreporter.write_line("  ".join(cells))
    same = sum(case[-1] == "same" for case in cases)
    terminalreporter.write_line(
        f"{len(cases)} cases: {same} the same as a clean run, {len(cases) - same} diverged"
    )
