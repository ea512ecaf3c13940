"""A worker process, until its first statement, against importing the driver alone; the sandbox likewise."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import Measured, interleaved, measured, middle, spread
from bench.setting import Setting
from redshift_sandbox import running

ROUNDS = 15
GOAL = 1.1
SANDBOX_ROUNDS = 5
SANDBOX_GOAL = 3.0  # seconds
STEPS = (["load", "--date", "2018-11-01"], ["stage", "events", "--date", "2018-11-01"])
IMPORT = "python -c 'import redshift_connector'"


def run(setting: Setting) -> str:
    """The result as Markdown."""
    environment = setting.environment("start")
    setting.sparkify(environment, "tables", "create")
    cases = {
        f"sparkify {' '.join(step)}": lambda step=step: _first_statement(setting, environment, step)
        for step in STEPS
    }
    alone = [sys.executable, "-c", "import redshift_connector"]
    runs = interleaved({**cases, IMPORT: lambda: measured(alone, environment)}, ROUNDS, warm_up=2)
    medians = {name: middle([run.seconds for run in case]) for name, case in runs.items()}
    ratio = max(medians[name] for name in cases) / medians[IMPORT]
    first = [_sandbox(setting.folder / f"sandbox-{number}") for number in range(SANDBOX_ROUNDS)]
    again = [_sandbox(setting.folder / f"sandbox-{number}") for number in range(SANDBOX_ROUNDS)]
    slower = max(middle(first), middle(again))
    return "\n".join(
        [
            f"Seconds, median (least to most) of {ROUNDS} interleaved runs. A worker's end when its first",
            "statement reaches the sandbox, after TLS and the password.",
            "",
            "| | seconds | ratio |",
            "| --- | --- | --- |",
            *(
                f"| `{name}` | {spread([run.seconds for run in case])} "
                f"| {medians[name] / medians[IMPORT]:.2f} |"
                for name, case in runs.items()
            ),
            "",
            f"Ratio {ratio:.2f}, goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}.",
            "",
            f"The sandbox is ready after {spread(first)} seconds the first time, {spread(again)} later. "
            f"Goal {SANDBOX_GOAL:.0f}: {'met' if slower <= SANDBOX_GOAL else 'missed'}.",
        ]
    )


def _sandbox(state: Path) -> float:
    """Seconds until a sandbox takes connections."""
    started = time.monotonic()
    with running(state):
        return time.monotonic() - started


def _first_statement(setting: Setting, environment: Mapping[str, str], step: list[str]) -> Measured:
    """The worker's first statement, by the sandbox's own log of statements; what follows does not matter."""
    started = datetime.now(UTC).replace(tzinfo=None)
    subprocess.run([setting.sparkify_command, *step], env=dict(environment), capture_output=True, check=False)
    with closing(setting.connect(environment["SPARKIFY_WAREHOUSE_DATABASE"])) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "select ended, seconds from sandbox.statements "
            f"where application like 'sparkify%' and ended > '{started}' order by number limit 1"
        )
        ended, seconds = cursor.fetchone()
    return Measured((ended - started).total_seconds() - seconds, 0.0, "", "")
