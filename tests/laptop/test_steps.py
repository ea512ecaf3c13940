"""How the runner treats a task's end, as Airflow would; the worker is a script that ends as it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from laptop import steps as laptop_steps
from laptop.graph import Task
from laptop.steps import Outcome, State, Steps

WORKER = """
import pathlib, sys, time
name, *codes = sys.argv[1:]
tries = pathlib.Path(name + ".tries")
number = int(tries.read_text()) if tries.exists() else 0
tries.write_text(str(number + 1))
code = codes[min(number, len(codes) - 1)]

def log(level, message, **values):
    pairs = "".join(f" {key}={value}" for key, value in values.items())
    line = f"2018-11-04T00:00:00.000Z {level:7} {message}  step=load day=2018-11-03 run=r{pairs}"
    print(line, file=sys.stderr)

log("INFO", "began")
log("WARNING", "3 files left out", sample="x.bak")
if code == "sleep":
    time.sleep(60)
if code == "raise":
    raise KeyError("a surprise")
if code not in ("0", "99"):
    log("ERROR", f"try {number} ended with {code}")
    log("INFO", "closed")
sys.exit(int(code))
"""


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, task: Task) -> None:
        self.told.append(f"{task.task_id} started")

    def retrying(self, task: Task, tries: int, error: str) -> None:
        self.told.append(f"{task.task_id} try {tries}: {error}")

    def ended(self, task: Task, outcome: Outcome) -> None:
        self.told.append(f"{task.task_id} {outcome.state}")


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return [sys.executable, str(script)]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laptop_steps, "_RETRY_SECONDS", 0.01)


def task(tmp_path: Path, name: str, *codes: str, after: tuple[str, ...] = ()) -> Task:
    return Task(name, (str(tmp_path / name), *codes), after, 2, (99,), (1, 64))


def run(command: list[str], tmp_path: Path, *tasks: Task) -> tuple[dict[str, Outcome], list[str]]:
    listener = Listener()
    with Steps(command, os.environ) as steps:
        return steps.run(tasks, tmp_path / "logs", listener), listener.told


@pytest.mark.parametrize(
    ("codes", "state", "tries", "error"),
    [
        (("0",), State.SUCCESS, 1, None),
        (("99",), State.SKIPPED, 1, None),
        (("75", "75", "0"), State.SUCCESS, 3, None),
        (("75",), State.FAILED, 3, "try 2 ended with 75"),
        (("143", "99"), State.SKIPPED, 2, None),
        (("1",), State.FAILED, 1, "try 0 ended with 1"),
        (("64",), State.FAILED, 1, "try 0 ended with 64"),
        (("75", "1"), State.FAILED, 2, "try 1 ended with 1"),
        (("raise",), State.FAILED, 1, "ended with exit code 1; its last line: KeyError: 'a surprise'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_an_exit_code_means_what_it_means_to_airflow(
    command: list[str], tmp_path: Path, codes: tuple[str, ...], state: State, tries: int, error: str | None
) -> None:
    outcomes, _ = run(command, tmp_path, task(tmp_path, "load", *codes))
    outcome = outcomes["load"]
    assert (outcome.state, outcome.tries, outcome.error) == (state, tries, error)
    assert outcome.warnings == ("3 files left out sample=x.bak",)
    assert outcome.log.read_text().count("began") == tries


@pytest.mark.parametrize(
    ("codes", "after"),
    [
        (("0", "0"), State.SUCCESS),
        (("0", "99"), State.SKIPPED),
        (("1", "0"), State.UPSTREAM_FAILED),
        (("1", "99"), State.UPSTREAM_FAILED),
    ],
)
def test_a_task_runs_only_when_all_before_it_succeeded(
    command: list[str], tmp_path: Path, codes: tuple[str, str], after: State
) -> None:
    outcomes, _ = run(
        command,
        tmp_path,
        task(tmp_path, "stage_events", codes[0]),
        task(tmp_path, "stage_songs", codes[1]),
        task(tmp_path, "load", "0", after=("stage_events", "stage_songs")),
        task(tmp_path, "check", "0", after=("load",)),
    )
    assert (outcomes["load"].state, outcomes["check"].state) == (after, after)
    assert (tmp_path / "load.tries").exists() == (after == State.SUCCESS)


def test_independent_tasks_run_side_by_side_and_the_next_after_both(
    command: list[str], tmp_path: Path
) -> None:
    _, told = run(
        command,
        tmp_path,
        task(tmp_path, "stage_events", "0"),
        task(tmp_path, "stage_songs", "75", "0"),
        task(tmp_path, "load", "0", after=("stage_events", "stage_songs")),
    )
    assert told[:2] == ["stage_events started", "stage_songs started"]
    assert sorted(told[2:5]) == [
        "stage_events success",
        "stage_songs success",
        "stage_songs try 1: try 0 ended with 75",
    ]
    assert told[5:] == ["load started", "load success"]


def test_leaving_ends_what_still_runs(command: list[str], tmp_path: Path) -> None:
    class Interrupting(Listener):
        def ended(self, task: Task, outcome: Outcome) -> None:
            raise KeyboardInterrupt

    asleep = task(tmp_path, "stage_events", "sleep")
    with pytest.raises(KeyboardInterrupt), Steps(command, os.environ) as steps:
        steps.run([asleep, task(tmp_path, "stage_songs", "0")], tmp_path / "logs", Interrupting())
    assert not _running(str(tmp_path))


def test_log_lines_that_are_json_are_understood_too(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\n"
        'print(\'{"time": "t", "level": "warning", "message": "a drift", "step": "load"}\')\n'
        'print(\'{"time": "t", "level": "error", "message": "no such bucket", "step": "load"}\')\n'
        "sys.exit(64)\n"
    )
    outcomes, _ = run([sys.executable, str(script)], tmp_path, task(tmp_path, "load"))
    assert (outcomes["load"].error, outcomes["load"].warnings) == ("no such bucket", ("a drift",))


def test_a_process_that_is_killed_and_said_nothing_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    outcomes, _ = run([sys.executable, str(script)], tmp_path, task(tmp_path, "load"))
    assert outcomes["load"].tries == 3
    assert outcomes["load"].error == "ended by signal SIGKILL; its last line: none"


def _running(text: str) -> list[str]:
    """Command lines of living processes that contain the text."""
    time.sleep(0.1)
    if shutil.which("ps") is None:
        pytest.skip("needs ps, to look for processes that were left behind")
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if text in line]
