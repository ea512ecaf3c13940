"""`python -m laptop run` and `sql`, whole: sandbox, bucket, DAGs, worker, tables."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from laptop import demo_data

ROOT = Path(__file__).parents[2]
DAYS = ["2018-11-01", "2018-11-02", "2018-11-03", "2018-11-04"]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo has been loaded: every test of this module goes on from there."""
    return tmp_path_factory.mktemp("laptop") / "state"


@pytest.fixture(scope="module")
def demo(state: Path) -> subprocess.CompletedProcess[str]:
    return laptop("run", state=state)


def laptop(*arguments: str, state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laptop", *arguments, "--state", str(state)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=240,
        check=False,
    )


def ask(query: str, state: Path) -> list[dict[str, str]]:
    answer = laptop("sql", "--query", query, "--format", "csv", state=state)
    assert (answer.returncode, answer.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(answer.stdout)))


def left_behind(state: Path) -> list[str]:
    """Command lines of processes that run on the state folder, or for a worker of ours."""
    if shutil.which("ps") is None:
        pytest.skip("needs ps, to look for processes that were left behind")
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if str(state) in line and "pytest" not in line]


def expected_days() -> dict[str, dict[str, int]]:
    """What must become of each day's lines, counted in plain Python."""
    days, seen = {}, set()
    for name, content in sorted(demo_data.files().items()):
        if not name.startswith("log_data"):
            continue
        counts = Counter(files=1)
        for line in content.decode().split("\n"):
            counts["lines"] += 1
            if not line.endswith("}"):
                counts["quarantined"] += 1
                continue
            event = json.loads(line)
            key = (event["sessionId"], event["itemInSession"])
            if event["page"] != "NextSong":
                counts["left_out"] += 1
            elif key in seen:
                counts["duplicates"] += 1
            else:
                counts["loaded"] += 1
                seen.add(key)
        days[name[-22:-12]] = dict(counts)
    return days


def test_the_demo_is_loaded_and_its_summary_is_right_to_the_line(
    demo: subprocess.CompletedProcess[str], state: Path
) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")
    columns = ("files", "lines", "loaded", "duplicates", "left_out", "quarantined")
    for day, counts in expected_days().items():
        (row,) = [line.split() for line in demo.stdout.splitlines() if line.startswith(f" {day} ")]
        assert row[1:7] == [f"{counts.get(column, 0):,}" for column in columns]
        assert row[-1] == "success"
    checks = len(list((ROOT / "sql").glob("*/*/check_*.sql")))
    answer = ask("select count(*) as results from check_results where day is not null", state)
    assert f"\nChecks: {answer[0]['results']} were run, 0 found rows\n" in demo.stdout
    assert int(answer[0]["results"]) > 2 * checks * len(DAYS)
    assert left_behind(state) == []


def test_every_task_of_the_dag_ran_once_a_day_and_said_so(demo: subprocess.CompletedProcess[str]) -> None:
    ended = [line.split()[1:4] for line in demo.stdout.splitlines() if line.startswith("✓ 2018")]
    tasks = [{"stage_events", "stage_songs"}, {"load"}, {"check"}]
    for day in DAYS:
        order = [task for of_day, task, state in ended if of_day == day and state == "success"]
        assert [set(order[:2]), {order[2]}, {order[3]}] == tasks
    assert len(ended) == 16


def test_each_task_has_a_log_of_its_own(demo: subprocess.CompletedProcess[str], state: Path) -> None:
    (run,) = (state / "logs").glob("laptop__*")
    for day in DAYS:
        assert {path.name for path in (run / day).iterdir()} == {
            *("stage_events.log", "stage_songs.log", "load.log", "check.log")
        }
        assert f"run={run.name}__{day}" in (run / day / "load.log").read_text()


@pytest.mark.usefixtures("demo")
def test_the_tables_stay_and_can_be_asked(state: Path) -> None:
    plays = Counter()
    for content in (content for name, content in demo_data.files().items() if name.startswith("log_data")):
        for line in set(content.decode().split("\n")):
            if line.endswith("}") and json.loads(line)["page"] == "NextSong":
                plays[line] = 1
    songs = Counter((json.loads(line)["song"], json.loads(line)["artist"]) for line in plays)
    (most,) = songs.most_common(1)
    assert ask(
        "select songs.title, songs.artist_name, count(*) as plays from songplays"
        " join songs on songs.song_id = songplays.song_id"
        " group by songs.title, songs.artist_name order by plays desc limit 1",
        state,
    ) == [{"title": most[0][0], "artist_name": most[0][1], "plays": str(most[1])}]
    assert ask("select count(*) as songs from songs", state) == [{"songs": "107"}]
    assert left_behind(state) == []


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("selec", "the statement SELEC is not supported by the sandbox"),
    ],
)
def test_a_refused_query_is_one_line(state: Path, query: str, said: str) -> None:
    answer = laptop("sql", "--query", query, state=state)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == f"python -m laptop sql: {said}\n"


@pytest.mark.usefixtures("demo")
def test_csv_tells_null_from_an_empty_text(state: Path) -> None:
    query = "select 'a,\"b\"' as x, '' as empty, null as nothing, 1.50::decimal(9, 2) as number, true as yes"
    answer = laptop("sql", "--query", query, "--format", "csv", state=state)
    assert answer.stdout == 'x,empty,nothing,number,yes\n"a,""b""","",,1.50,true\n'


@pytest.mark.usefixtures("demo")
def test_the_prompt_takes_statements_over_many_lines_from_a_pipe(state: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "laptop", "sql", "--format", "csv", "--state", str(state)],
        input="select\n  1 as a\n;\n\nselect 2 as b",
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "a\n1\nb\n2\n", "")


@pytest.mark.usefixtures("demo")
def test_in_its_shell_the_workers_commands_can_be_typed(state: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "laptop", "shell", "--state", str(state)],
        input="sparkify plan --date 2018-11-01\nexit 7\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "SHELL": "/bin/sh"},
        timeout=60,
        check=False,
    )
    assert answer.returncode == 7
    assert "stage songs   do nothing: all 107 song files are staged as they are\n" in answer.stdout
    assert left_behind(state) == []


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted; the next run goes on"),
        (signal.SIGTERM, 143, "terminated"),
    ],
    ids=["ctrl-c", "terminated"],
)
def test_interrupted_it_leaves_no_process_and_the_tables_as_they_were(
    state: Path, number: signal.Signals, code: int, said: str
) -> None:
    # As from a terminal: what a shell's background job starts would ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "laptop", "run", "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    for line in process.stdout:
        if "tables_create" in line:  # the first day's stages begin
            break
    time.sleep(0.4)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, f"python -m laptop run: {said}\n")
    assert left_behind(state) == []
    plays = sum(counts["loaded"] for counts in expected_days().values())
    assert ask("select count(*) as plays from songplays", state) == [{"plays": str(plays)}]


@pytest.mark.usefixtures("demo")
def test_a_day_that_fails_does_not_stop_the_others_and_is_named(state: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    good = demo_data.files()["log_data/2018/11/2018-11-01-events.json"]
    for day, content in (("2018-11-01", b'{"page": 1}\n' * 50), ("2018-11-02", b""), ("2018-11-03", good)):
        path = data / f"log_data/2018/11/{day}-events.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (data / "log_data/2018/11/notes.txt").write_text("stray")
    answer = laptop("run", "--data", str(data), state=state)
    assert answer.returncode == 1
    days = answer.stdout.partition("\nChecks: ")[0].splitlines()
    rows = {line.split()[0]: line.split() for line in days if line.startswith(" 2018")}
    assert rows["2018-11-01"][-2:] == ["failed:", "stage_events"]
    assert rows["2018-11-02"][-1] == "success"
    assert re.search(r"^Checks: \d+ were run, 1 found rows$", answer.stdout, re.MULTILINE)
    assert re.search(
        r'^ 2018-11-02 +check +events.freshness +warn +1 +\{"last_event": null, "events": 0, ',
        answer.stdout,
        re.MULTILINE,
    )
    (told,) = [
        line for line in answer.stdout.splitlines() if line.startswith("2018-11-01 stage_events failed: ")
    ]
    assert "its log is" in told
    assert "notes.txt" in answer.stdout


@pytest.mark.usefixtures("demo")
def test_a_second_sandbox_on_the_same_folder_is_refused_in_one_line(state: Path) -> None:
    held = subprocess.Popen(
        [sys.executable, "-m", "laptop", "sql", "--state", str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert held.stdin is not None
    assert held.stdout is not None
    held.stdin.write("select 1 as a;\n")
    held.stdin.flush()
    assert held.stdout.readline()
    try:
        run = laptop("run", state=state)
        assert run.returncode == 1
        assert run.stderr.startswith("python -m laptop run: the sandbox: ")
        assert run.stderr.count("\n") == 1
        # Another question is answered by the sandbox that runs.
        assert ask("select 2 as b", state) == [{"b": "2"}]
    finally:
        held.communicate(timeout=60)
    assert left_behind(state) == []
