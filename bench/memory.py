"""The memory of staging one very large day: `sparkify stage events`, all its processes together."""

import os
from pathlib import Path

from bench.columns import DAY, KEY
from bench.events import write_day
from bench.measure import Measured, measured
from bench.setting import Setting

PROCESSES = (1, 2, 4)
VARIED = 200_000  # lines that are repeated to make the day; far more than a compressor looks back
GOAL = 300


def run(setting: Setting) -> str:
    """The result as Markdown."""
    size = int(float(os.environ.get("BENCH_MEMORY_GB", "5")) * 1e9)
    local = setting.folder / "events.json"
    lines = _write(local, size)
    size = local.stat().st_size
    with local.open("rb") as file:
        setting.put(KEY, file)
    local.unlink()
    runs = {processes: _stage(setting, processes, lines) for processes in PROCESSES}
    most = max(run.memory for run in runs.values())
    return "\n".join(
        [
            f"One object of {size / 1e9:.2f} GB, {lines:,} lines, staged with COPY and ledger. Memory is the",
            "most that all processes of the command held at once, pages that they share counted once",
            "(proportional set size), looked at ten times a second.",
            "",
            "| `SPARKIFY_PROCESSES` | peak MiB | seconds |",
            "| --- | --- | --- |",
            *(f"| {processes} | {run.memory:.0f} | {run.seconds:.0f} |" for processes, run in runs.items()),
            "",
            f"The most {most:.0f} MiB, goal {GOAL}: {'met' if most <= GOAL else 'missed'}.",
        ]
    )


def _write(path: Path, size: int) -> int:
    """A day of at least `size` bytes; its lines."""
    write_day(path, VARIED)
    varied = path.read_bytes()
    repeated = -(-size // len(varied))
    with path.open("ab") as file:
        for _ in range(repeated - 1):
            file.write(varied)
    return VARIED * repeated


def _stage(setting: Setting, processes: int, lines: int) -> Measured:
    environment = {
        **setting.environment(f"memory_{processes}"),
        "SPARKIFY_PROCESSES": str(processes),
        "SPARKIFY_STATEMENT_TIMEOUT": "7200",
    }
    setting.sparkify(environment, "tables", "create")
    command = [str(setting.sparkify_command), "stage", "events", "--date", DAY]
    done = measured(command, environment, memory=True)
    assert f"lines={lines} loaded={lines} " in done.log, done.log
    setting.sparkify(environment, "tables", "drop", "--yes")  # for the disk's sake
    return done
