"""Many at once: writers take turns, readers see whole days and never wait, failures leave no halves."""

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.command import end
from tests.star.conftest import Pipeline, day_key
from tests.star.test_meaning import as_file, event

DAY = "2018-11-01"
SQL = Path(__file__).parents[2] / "sql"


def fault(connection: Any, **wanted: object) -> None:
    connection.rollback()
    connection.cursor().execute(f"call sandbox.fault('{json.dumps(wanted)}')")
    connection.commit()


def star_counts(connection: Any) -> tuple[int, ...]:
    """How many rows the five tables have, as one statement sees them."""
    tables = ("songplays", "users", "songs", "artists", '"time"')
    cursor = connection.cursor()
    cursor.execute("select " + ", ".join(f"(select count(*) from {table})" for table in tables))
    counts = tuple(map(int, cursor.fetchone()))
    connection.rollback()
    return counts


def test_two_loads_of_one_day_at_once_give_the_tables_of_one(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, [event(DAY, sessionId=number) for number in range(5)])
    pipeline.done("stage", "events", "--date", DAY)
    fault(warehouse, action="delay", seconds=2, match="delete from users")
    both = [pipeline.start("load", "--date", DAY) for _ in range(2)]
    assert [end(process).code for process in both] == [0, 0]
    assert star_counts(warehouse) == (5, 1, 0, 0, 1)


def test_two_loads_at_once_that_a_check_stops_keep_its_results_once(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, [event(DAY, level="paid"), event(DAY, level="free", song="Other")])
    pipeline.done("stage", "events", "--date", DAY)
    fault(warehouse, action="delay", seconds=2, match="insert into check_results")
    both = [pipeline.start("load", "--date", DAY, "--run", "bad") for _ in range(2)]
    assert [end(process).code for process in both] == [1, 1]
    cursor = warehouse.cursor()
    cursor.execute(
        "select count(*) - count(distinct check_name), sum(offending) from check_results where step = 'load'"
    )
    assert list(cursor.fetchone()) == [0, 2]


def test_two_stages_of_one_day_at_once_give_the_rows_of_one(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, [event(DAY, sessionId=number) for number in range(5)])
    fault(warehouse, action="delay", seconds=2, match="insert into staged_files")
    both = [pipeline.start("stage", "events", "--date", DAY) for _ in range(2)]
    assert [end(process).code for process in both] == [0, 0]
    cursor = warehouse.cursor()
    cursor.execute("select (select count(*) from staging_events), (select count(*) from staged_files)")
    assert list(cursor.fetchone()) == [5, 1]


def test_a_reader_sees_the_old_day_or_the_new_one_whole_and_does_not_wait(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, [event(DAY, sessionId=number) for number in range(3)])
    pipeline.day(DAY)
    changed = [
        event(DAY, sessionId=number, userId=str(number), ts=event(DAY)["ts"] + number) for number in range(5)
    ]
    pipeline.put_day(DAY, changed)
    pipeline.done("stage", "events", "--date", DAY)
    # The load holds all its locks for two seconds; a reader that waited for one would read once or never.
    fault(warehouse, action="delay", seconds=2, match="^commit", application="sparkify load")
    loading = pipeline.start("load", "--date", DAY)
    seen = []
    while loading.poll() is None:
        seen.append(star_counts(warehouse))
        time.sleep(0.02)
    assert end(loading).code == 0
    seen.append(star_counts(warehouse))
    old, new = (3, 1, 0, 0, 1), (5, 5, 0, 0, 5)
    assert set(seen) == {old, new}
    assert seen.count(old) > 20
    assert seen == sorted(seen)


def test_sigterm_cancels_the_statement_in_flight_and_nothing_is_half_loaded(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.done("stage", "events", "--date", DAY)
    fault(warehouse, action="delay", seconds=60, match="insert into songplays")
    loading = pipeline.start("load", "--date", DAY)
    assert loading.stderr is not None
    for line in loading.stderr:  # the songplays are next
        if "wrote artists" in line:
            break
    time.sleep(0.5)
    loading.send_signal(signal.SIGTERM)
    ended = end(loading)
    assert ended.code == 143
    assert "cancelled the statement in flight" in ended.log
    assert star_counts(warehouse) == (0, 0, 0, 0, 0)
    pipeline.done("load", "--date", DAY)
    assert star_counts(warehouse) == (1, 1, 0, 0, 1)


@pytest.mark.parametrize("step", ["stage events", "load"])
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"action": "drop", "when": "before", "match": "^commit"}, "asking the ledger"),
        ({"action": "lose_commit"}, "asking the ledger"),
        ({"action": "drop", "when": "before", "nth": 9}, "repeating the whole transaction"),
        ({"action": "drop", "when": "after", "nth": 8}, "repeating the whole transaction"),
        ({"action": "serialization_failure", "nth": 9}, "repeating the whole transaction"),
        ({"action": "conflict", "nth": 9, "times": 2}, "repeating the whole transaction"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_failure_that_passes_is_survived_and_the_tables_are_those_of_a_clean_run(
    pipeline: Pipeline, warehouse: Any, step: str, wanted: dict[str, Any], said: str
) -> None:
    pipeline.put_day(DAY, [event(DAY, sessionId=number) for number in range(3)])
    if step == "load":
        pipeline.done("stage", "events", "--date", DAY)
    fault(warehouse, application=f"sparkify {step.replace(' ', '_')}", **wanted)
    ended = pipeline.done(*step.split(), "--date", DAY)
    assert said in ended.log
    pipeline.done("load", "--date", DAY)
    assert star_counts(warehouse) == (3, 1, 0, 0, 1)
    cursor = warehouse.cursor()
    cursor.execute("select count(*) from staging_events")
    assert cursor.fetchone()[0] == 3


def test_a_warehouse_that_keeps_failing_is_given_up_and_airflow_retries(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.done("stage", "events", "--date", DAY)
    fault(warehouse, action="conflict", match="insert into songplays", times=100)
    ended = pipeline.run("load", "--date", DAY)
    assert ended.code == 75
    assert "gave up after 5 attempts" in ended.log.splitlines()[-1]
    assert star_counts(warehouse) == (0, 0, 0, 0, 0)


def test_a_connection_that_is_refused_its_time_limit_is_closed(pipeline: Pipeline, warehouse: Any) -> None:
    fault(warehouse, action="conflict", match="^set statement_timeout", times=2)
    ended = pipeline.run("load", "--date", DAY)
    assert ended.code == 75
    cursor = warehouse.cursor()
    cursor.execute("select count(*) from pg_stat_activity where application_name = 'sparkify load'")
    assert cursor.fetchone()[0] == 0


def test_a_day_that_fails_a_blocking_check_stays_as_it_was_and_the_results_are_kept(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.day(DAY)
    pipeline.put_day(DAY, [event(DAY, level="paid"), event(DAY, level="free", song="Other")])
    pipeline.done("stage", "events", "--date", DAY)
    ended = pipeline.run("load", "--date", DAY, "--run", "bad")
    assert ended.code == 1
    named = re.search(r"songplays\.grain: 2 offending rows, such as (\[.*?\])", ended.log)
    assert named
    assert sorted(json.loads(named[1]), key=lambda row: row["source_line"]) == [
        {"songplay_id": "139-0", "source_file": day_key(DAY), "source_line": 1},
        {"songplay_id": "139-0", "source_file": day_key(DAY), "source_line": 2},
    ]
    assert "2018-11-01 is not loaded, the star is as it was" in ended.log
    cursor = warehouse.cursor()
    cursor.execute("select level, title from songplays")
    assert list(map(list, cursor.fetchall())) == [["free", "You Gotta Be"]]
    cursor.execute(
        "select check_name, severity, offending from check_results "
        "where run = 'bad' and offending > 0 order by check_name"
    )
    assert list(map(list, cursor.fetchall())) == [["songplays.grain", "check", 2]]
    cursor.execute("select count(*) from check_results where run = 'bad' and step = 'load'")
    assert cursor.fetchone()[0] == len(list(SQL.glob("star/*/check_*.sql")))


@pytest.mark.parametrize(
    ("environment", "code", "message"),
    [
        (
            {"SPARKIFY_WAREHOUSE_PASSWORD": "canary"},
            64,
            "check SPARKIFY_WAREHOUSE_USER, _PASSWORD and _DATABASE",
        ),
        (
            {"SPARKIFY_WAREHOUSE_DATABASE": "nowhere"},
            64,
            "check SPARKIFY_WAREHOUSE_USER, _PASSWORD and _DATABASE",
        ),
        ({"SPARKIFY_WAREHOUSE_HOST": "no-such-host.invalid"}, 75, "cannot be reached"),
        ({"SSL_CERT_FILE": "/dev/null"}, 64, "its certificate is not trusted"),
    ],
    ids=["wrong password", "no such database", "no such host", "unknown authority"],
)
def test_a_warehouse_that_refuses_is_one_line(
    pipeline: Pipeline, environment: dict[str, str], code: int, message: str
) -> None:
    ended = pipeline.run("load", "--date", DAY, **environment)
    assert ended.code == code
    assert message in ended.log
    assert len(ended.log.splitlines()) == 1
    assert "canary" not in ended.log


def test_without_tables_each_step_says_how_to_make_them(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.done("tables", "drop", "--yes")
    for step in (
        ["stage", "songs"],
        ["stage", "events", "--date", DAY],
        ["load", "--date", DAY],
        ["check", "--date", DAY],
    ):
        ended = pipeline.run(*step)
        assert ended.code == 1
        assert "make the tables with: sparkify tables create" in ended.log


def test_tables_are_made_twice_without_harm_and_dropped_whole(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.day(DAY)
    pipeline.done("tables", "create")
    assert star_counts(warehouse) == (1, 1, 0, 0, 1)
    pipeline.done("tables", "drop", "--yes")
    cursor = warehouse.cursor()
    cursor.execute("select count(*) from information_schema.tables where table_schema = 'public'")
    assert cursor.fetchone()[0] == 0
    warehouse.rollback()


def test_a_day_that_is_not_staged_cannot_be_loaded_and_one_not_loaded_cannot_be_checked(
    pipeline: Pipeline,
) -> None:
    loaded, checked = pipeline.run("load", "--date", DAY), pipeline.run("check", "--date", DAY)
    assert (loaded.code, checked.code) == (1, 1)
    assert "stage it with: sparkify stage events --date 2018-11-01" in loaded.log
    assert "load it with: sparkify load --date 2018-11-01" in checked.log


def test_a_day_staged_again_is_not_checked_before_it_is_loaded(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.day(DAY)
    pipeline.done("stage", "events", "--date", DAY)
    ended = pipeline.run("check", "--date", DAY)
    assert ended.code == 75
    assert "was staged again after its load" in ended.log


def test_trace_leads_from_a_play_to_its_source_line_its_copies_and_its_loads(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, as_file([event(DAY, page="Home", itemInSession=4), event(DAY), event(DAY)]))
    for step in (["stage", "events"], ["load"], ["check"]):
        pipeline.done(*step, "--date", DAY, "--run", "first")
    shown = pipeline.done("trace", "139-0").out
    assert re.search(r"^source_file +\S*log_data/2018/11/2018-11-01-events.json$", shown, re.MULTILINE)
    assert re.search(r"^source_line +2$", shown, re.MULTILINE)
    assert re.search(r"2018-11-01-events.json +2 .* play$", shown, re.MULTILINE)
    assert re.search(r"2018-11-01-events.json +3 .* duplicate$", shown, re.MULTILINE)
    assert re.search(
        rf"2018-11-01 +first +\w+ +{len(list(SQL.glob('star/*/check_*.sql')))} +0$", shown, re.MULTILINE
    )
    absent = pipeline.run("trace", "139-4")
    assert absent.code == 1
    assert "no songplay 139-4 in the star; staged lines of its event: 1" in absent.log


def test_plan_says_what_each_step_would_do_and_touches_nothing(pipeline: Pipeline, warehouse: Any) -> None:
    def planned() -> dict[str, str]:
        lines = pipeline.done("plan", "--date", DAY).out.splitlines()[1:]
        return {line[:14].strip(): line[14:] for line in lines}

    where = f"s3://{pipeline.bucket}/log_data/2018/11/2018-11-01-events.json"
    assert planned() == {
        "stage songs": "do nothing: all 0 song files are staged as they are",
        "stage events": f"wait and fail: there is no {where}",
        "load": "write the day into the star for the first time",
        "check": "run every check of the day once more, and the warnings",
    }
    pipeline.put_day(DAY, [event(DAY)])
    pipeline.put("log_data/2018/11/2018-11-01-events.json.bak", b"{}")
    pipeline.put("song_data/A/B/C/TRABC.json", b"x" * 10)
    size = len(as_file([event(DAY)]))
    before = planned()
    assert before["stage songs"] == "read 1 new and 0 changed song files (10 bytes), drop 0 gone"
    assert before["stage events"] == f"read {where} ({size} bytes) for the first time"
    assert before["left out"] == "1 objects whose names are not a source file's"
    for step in ("stage events", "load"):
        pipeline.done(*step.split(), "--date", DAY, "--run", "first")
    assert planned()["stage events"] == f"read {where} ({size} bytes) again, unchanged"
    assert re.fullmatch(r"bring the day in line again; loaded [\d: -]+ UTC by first", planned()["load"])
    pipeline.put_day(DAY, [event(DAY, level="paid")])
    pipeline.done("stage", "events", "--date", DAY)
    assert planned()["load"].endswith("by first, staged again since")
    assert star_counts(warehouse) == (1, 1, 0, 0, 1)
