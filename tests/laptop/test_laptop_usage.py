"""`python -m laptop`: what is asked for wrongly is one line and exit code 64, and starts nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from laptop import source

ROOT = Path(__file__).parents[2]


def laptop(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laptop", *arguments, "--state", str(state)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in (
        "log_data/2018/11/2018-11-03-events.json",
        "log_data/2018/11/2018-11-05-events.json",
        "log_data/2018/11/2018-11-31-events.json",
        "log_data/2018/12/2018-11-04-events.json",
        "log_data/2018/11/2018-11-02-events.json.bak",
        "log_data/.ipynb_checkpoints/11/2018-11-01-events.json",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "DATA/nowhere"], "DATA/nowhere is not a folder"),
        (
            ["--data", "DATA/log_data"],
            "DATA/log_data has no folder log_data: it must be laid out as the source bucket",
        ),
        (
            ["--data", "DATA", "--from", "2018-11-06", "--to", "2018-11-03"],
            "there is no day from 2018-11-06 to 2018-11-03",
        ),
        (["--data", "DATA", "--from", "2018-11-06"], "there is no day from 2018-11-06 to 2018-11-05"),
        (["--from", "2018-11-03", "--to", "2018-11-02"], "there is no day from 2018-11-03 to 2018-11-02"),
        (
            ["--from", "3.11.2018"],
            "argument --from: '3.11.2018' is not a day of the form 2018-11-03;"
            " see python -m laptop run --help",
        ),
        (
            ["--to", "2018-02-30"],
            "argument --to: '2018-02-30' is not a day: day is out of range for month;"
            " see python -m laptop run --help",
        ),
        (["--day", "x"], "unrecognized arguments: --day x; see python -m laptop --help"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(
    data: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    answer = laptop("run", *(part.replace("DATA", str(data)) for part in arguments), state=tmp_path / "state")
    program = "python -m laptop" if said.startswith("unrecognized") else "python -m laptop run"
    assert (answer.returncode, answer.stdout) == (64, "")
    assert answer.stderr == f"{program}: {said.replace('DATA', str(data))}\n"
    assert not (tmp_path / "state" / "sandbox").exists()


def test_a_folder_without_a_day_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "data" / "log_data").mkdir(parents=True)
    answer = laptop("run", "--data", str(tmp_path / "data"), state=tmp_path / "state")
    assert answer.returncode == 64
    assert answer.stderr == (
        f"python -m laptop run: {tmp_path}/data has no file log_data/YYYY/MM/YYYY-MM-DD-events.json\n"
    )
    answer = laptop("run", "--data", str(tmp_path / "data"), "--from", "2018-11-01", state=tmp_path / "state")
    assert answer.returncode == 64
    assert answer.stderr.endswith("has no day to begin or end with: give both --from and --to\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "argument COMMAND: invalid choice: 'fly' (choose from"),
    ],
)
def test_an_unknown_command_is_said_in_one_line(arguments: list[str], said: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "laptop", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (answer.returncode, answer.stdout) == (64, "")
    assert answer.stderr.startswith(f"python -m laptop: {said}")
    assert answer.stderr.count("\n") == 1


def test_without_from_and_to_the_days_that_have_a_file_are_run(data: Path) -> None:
    assert _days(data, None, None) == ["2018-11-03", "2018-11-05"]


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2018-11-04", None, ["2018-11-04", "2018-11-05"]),
        (None, "2018-11-04", ["2018-11-03", "2018-11-04"]),
        ("2018-11-02", "2018-11-03", ["2018-11-02", "2018-11-03"]),
        ("2018-12-31", "2019-01-01", ["2018-12-31", "2019-01-01"]),
    ],
)
def test_between_from_and_to_every_day_is_run_also_one_without_a_file(
    data: Path, first: str | None, last: str | None, days: list[str]
) -> None:
    assert _days(data, first, last) == days


def _days(data: Path, first: str | None, last: str | None) -> list[str]:
    return [
        str(day)
        for day in source.plan(data, first and date.fromisoformat(first), last and date.fromisoformat(last))
    ]
