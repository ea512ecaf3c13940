"""Checks: how they are configured, what they keep, what they find in the history, and where they lead."""

import json
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sparkify import checks
from sparkify import warehouse as worker
from sparkify.log import Log
from sparkify.settings import Settings
from tests.command import end
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, line, rows, song

ROOT = Path(__file__).parents[2]
SQL = ROOT / "sql"
SONGS = "song_data/A/B/C/TR1.json"
PLAYS = 20
HALF_A_LOCATION = [line(itemInSession=item, location=[None, "Paris"][item % 2]) for item in range(PLAYS)]
NUMERIC = 1700  # the type's number in pg_type
KNOWN = song(title="You Gotta Be", artist_name="Des'ree", duration=246.30812)


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """A day of 20 plays, half of them without a location, and a song that all match."""
    pipeline.put_day(DAY, "\n".join(HALF_A_LOCATION))
    pipeline.put(SONGS, KNOWN)
    pipeline.day(DAY)
    return pipeline


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    """A copy of sql/ to change."""
    return shutil.copytree(SQL, tmp_path / "sql")


def names() -> set[str]:
    """Every check that there is, by its file's name."""
    files = [(path.parent.name, path.stem) for path in SQL.glob("*/*/*.sql")]
    history = {("events", "warn_null_rate"), ("events", "warn_volume")}
    history |= {("songplays", path.stem) for path in SQL.glob("history/*.sql")}
    return {
        f"{table}.{stem.partition('_')[2]}"
        for table, stem in {*files, *history}
        if stem.startswith(("check_", "warn_"))
    }


def warned(ended: Any) -> dict[str, list[dict[str, Any]]]:
    """What the log says that checks found: name → sample rows."""
    said = re.findall(
        r"(?:WARNING|ERROR) +(?:\S+: )?(\w+\.\w+): \d+ offending rows?, such as (\[.*\])", ended.log
    )
    return {name: json.loads(sample) for name, sample in said}


def test_statistics_say_what_each_column_holds_of_the_day_once_however_often_it_is_checked(
    loaded: Pipeline, warehouse: Any
) -> None:
    found = (
        "select table_name, column_name, row_count, null_count, distinct_count, minimum, maximum"
        " from column_statistics order by 1, 2"
    )
    first = rows(warehouse, found)
    by_column = {(table, column): rest for table, column, *rest in first}
    assert by_column["events", "location"] == [20, 10, 1, "Paris", "Paris"]
    assert by_column["events", "item_in_session"] == [20, 0, 20, "0", "19"]
    assert by_column["songplays", "song_id"] == [20, 0, 1, "SOGVQGJ12AB017F169", "SOGVQGJ12AB017F169"]
    assert by_column["songplays", "start_time"] == [20, 0, 1, *["2018-11-01 21:01:46.796"] * 2]
    assert by_column["events", "first_name"] == [20, 0, 1, "Kaylee", "Kaylee"]
    assert len(first) == len(by_column)
    assert not [
        column for _, column in by_column if column.startswith(("source_", "content_", "load_", "day"))
    ]
    loaded.done("check", "--date", DAY)
    assert rows(warehouse, found) == first

    loaded.put_day(DAY, line(location="Łódź " * 30))
    loaded.day(DAY)
    assert [each[2:] for each in rows(warehouse, found) if each[:2] == ["events", "location"]] == [
        [1, 0, 1, *[("Łódź " * 30)[:64]] * 2]
    ]
    assert rows(warehouse, "select distinct load_id from column_statistics") == rows(
        warehouse, "select load_id from loaded_days"
    )


def test_two_checks_of_a_day_at_once_leave_its_statistics_once(loaded: Pipeline, warehouse: Any) -> None:
    cursor = warehouse.cursor()
    cursor.execute("delete from column_statistics")
    delay = {"action": "delay", "seconds": 1, "match": "insert into column_statistics"}
    cursor.execute(f"call sandbox.fault('{json.dumps(delay)}')")
    warehouse.commit()
    both = [loaded.start("check", "--date", DAY) for _ in range(2)]
    assert [end(process).code for process in both] == [0, 0]
    assert rows(
        warehouse,
        "select count(*) - count(distinct table_name || column_name) from column_statistics",
    ) == [[0]]


def trailing(warehouse: Any, counts: list[int], nulls: float = 0.5, first: int = 1) -> None:
    """Statistics of days before DAY, as if they had been loaded: their rows, the share without a location."""
    cursor = warehouse.cursor()
    cursor.execute(f"delete from column_statistics where day < '{DAY}'")
    for number, count in enumerate(counts, start=first):
        cursor.execute(
            "insert into column_statistics"
            " (day, table_name, column_name, row_count, null_count, distinct_count, load_id)"
            f" select day - {number}, table_name, column_name, {count}, case when column_name = 'location'"
            f" then cast(round({nulls} * {count}) as integer) else 0 end, 1, 'x'"
            f" from column_statistics where day = '{DAY}'"
        )
    warehouse.commit()


VOLUMES = {"events.volume", "songplays.volume"}
RATES = {"events.null_rate", "songplays.null_rate"}
HISTORIES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "as many rows as ever": ({"counts": [20] * 7}, set()),
    "far fewer than on steady days": ({"counts": [41] * 7}, VOLUMES),
    "half of what there was on steady days": ({"counts": [40] * 7}, set()),
    "far more": ({"counts": [13] * 7}, VOLUMES),
    "too few days to say": ({"counts": [100] * 6}, set()),
    "days that vary as much": ({"counts": [60, 20, 100, 40, 90, 30, 70]}, set()),
    "one odd day among them": ({"counts": [20, 21, 19, 100_000, 20, 22, 18]}, set()),
    "days that are too long ago": ({"counts": [100] * 20, "first": 29}, set()),
    "a column that had always been there": ({"counts": [20] * 7, "nulls": 0.0}, RATES),
    "a column that had always been missing": ({"counts": [20] * 7, "nulls": 1.0}, RATES),
    "a share that a few rows may have by chance": ({"counts": [20] * 7, "nulls": 0.8}, set()),
}


def test_a_day_that_is_unlike_the_trailing_days_is_warned_of(loaded: Pipeline, warehouse: Any) -> None:
    found = {}
    for case, (history, _) in HISTORIES.items():
        trailing(warehouse, **history)
        found[case] = set(warned(loaded.done("check", "--date", DAY)))
    assert found == {case: wanted for case, (_, wanted) in HISTORIES.items()}

    trailing(warehouse, [20] * 7, nulls=0.0)
    assert warned(loaded.done("check", "--date", DAY))["events.null_rate"] == [
        {
            "column_name": "location",
            "null_rate": 0.5,
            "median_before": 0.0,
            "usual_distance": 0.0,
            "row_count": 20,
            "days_before": 7,
        }
    ]


def test_a_match_rate_that_falls_is_warned_of_and_a_day_that_ends_early_too(
    loaded: Pipeline, warehouse: Any
) -> None:
    trailing(warehouse, [20])
    loaded.remove(SONGS)
    loaded.put_day(DAY, line(ts=1541030400000 + 17 * 3600_000))
    for step in ("stage songs", f"stage events --date {DAY}", f"load --date {DAY}"):
        loaded.done(*step.split())
    found = warned(loaded.done("check", "--date", DAY))
    assert found == {
        "events.freshness": [{"last_event": "2018-11-01 17:00:00", "events": 1, "source_file": FILE}],
        "songplays.match_rate": [{"plays": 1, "matched": 0, "plays_before": 20, "matched_before": 20}],
    }
    assert (
        set(warned(loaded.done("check", "--date", DAY, SPARKIFY_CHECKS="match_share=0, last_hour=17")))
        == set()
    )


def test_lines_that_depart_from_the_contract_are_warned_of_with_an_example(pipeline: Pipeline) -> None:
    drifted = [line(itemInSession=11, mood="good"), line(itemInSession=12, mood=3)]
    pipeline.put_day(DAY, "\n".join([line(), line(), *drifted, "", line(itemInSession=13, page="Home")]))
    pipeline.day(DAY)
    ended = pipeline.done("check", "--date", DAY)
    assert warned(ended)["events.schema_drift"] == [
        {
            "source_file": FILE,
            "source_line": 3,
            "field": "mood",
            "reason": "unknown",
            "lines": 2,
            "example": '"good"',
        }
    ]
    assert "lines=6 loaded=3 duplicates=1 left_out=1 quarantined=0 blank=1" in ended.log


def test_no_check_returns_a_numeric(loaded: Pipeline) -> None:
    """Which the driver gets wrong; in Redshift the sum of BIGINTs is one."""
    settings = Settings.from_env(loaded.environment)
    chosen = checks.configured(settings)
    found = []
    with worker.connect(settings, Log("test", "check")) as connection:
        values = checks.bound(worker.Transaction(connection, settings), chosen, date.fromisoformat(DAY))
        for check in chosen:
            cursor = connection.cursor()
            cursor.execute(check.asked(check.statement, values))
            found += [(check.name, column[0]) for column in cursor.description if column[1] == NUMERIC]
    assert found == []


def test_thresholds_and_severities_come_from_the_file_and_the_setting_over_it(
    loaded: Pipeline, warehouse: Any, sql: Path
) -> None:
    trailing(warehouse, [41] * 7)

    def found(checks: str, file: str = "") -> tuple[int, set[str]]:
        (sql / "checks.toml").write_text((SQL / "checks.toml").read_text() + file)
        ended = loaded.run("check", "--date", DAY, SPARKIFY_CHECKS=checks, SPARKIFY_SQL=str(sql))
        return ended.code, set(warned(ended))

    assert found("") == (0, VOLUMES)
    assert found("deviations=9") == (0, set())
    assert found("songplays.volume.deviations=9") == (0, {"events.volume"})
    assert found("deviations=9 songplays.volume.deviations=1.5") == (0, {"songplays.volume"})
    own = '"songplays.volume" = { deviations = 9, severity = "check" }\n'
    assert found("", own) == (0, {"events.volume"})
    assert found("deviations=5", own) == (0, {"events.volume"})
    assert found("songplays.volume.deviations=5", own)[0] == 1
    assert found("songplays.volume.deviations=5,songplays.volume.severity=off", own) == (0, {"events.volume"})
    # A check of the history never stops a load, whose statistics are not taken yet.
    strict = {"SPARKIFY_CHECKS": "songplays.volume.severity=check"}
    loaded.done("load", "--date", DAY, **strict)
    assert loaded.run("check", "--date", DAY, **strict).code == 1
    # Any other is as blocking as it is configured.
    late = {"SPARKIFY_CHECKS": "events.freshness.severity=check last_hour=22"}
    ended = loaded.run("stage", "events", "--date", DAY, **late)
    assert (ended.code, f"{DAY}: staging is as it was: events.freshness" in ended.log) == (1, True)
    # The results say by what they were judged.
    judged = rows(warehouse, "select thresholds from check_results where check_name = 'songplays.volume'")
    others = {"history_days": 28, "history_least": 7, "volume_distance": 0.1}
    deviations = [5.0, 9.0, 1.5]
    assert {each for (each,) in judged} == {json.dumps({"deviations": each, **others}) for each in deviations}


BAD = {
    "deviations": "SPARKIFY_CHECKS='deviations' has 'deviations', which is not of the form deviations=6",
    "deviations=0.5": "SPARKIFY_CHECKS: deviations: 0.5 is not from 1 to 100",
    "history_days=2.5": "SPARKIFY_CHECKS: history_days: 2.5 is not a whole number",
    "deviations=many": "SPARKIFY_CHECKS: deviations: 'many' is not a number",
    "depth=3": "SPARKIFY_CHECKS: there is no threshold depth; there are deviations, history_days",
    "songplays.volumes.deviations=6": "SPARKIFY_CHECKS: there is no check songplays.volumes",
    "songplays.grain.deviations=6": "SPARKIFY_CHECKS: songplays.grain has no threshold deviations",
    "songplays.grain.severity=fatal": "SPARKIFY_CHECKS: 'fatal' is not the severity of one check: check,",
    "severity=off": "SPARKIFY_CHECKS: 'off' is not the severity of one check",
}
BAD_FILES = {
    "[thresholds]\nextra = 1\n": "Expected `object`, got `int` - at `$.thresholds[...]`",
    "[thresholds.far]\nvalue = 9\nminimum = 1\nmaximum = 5\nmeaning = 'far'\n": "far: 9 is not from 1 to 5",
    "[thresholds]\n[history]\nwarn_nothing = ['events']\n": "no sql/history/warn_nothing.sql to check by",
    "[thresholds]\n[checks]\n'songs.grain' = { deviations = 3 }\n": "songs.grain has no threshold deviations",
    "[thresholds]\n[checker]\n": "Object contains unknown field `checker`",
    "[thresholds": "checks.toml: ",
}


def test_a_configuration_that_means_nothing_stops_every_command_at_once(
    pipeline: Pipeline, sql: Path
) -> None:
    for setting, said in BAD.items():
        ended = pipeline.run("load", "--date", DAY, SPARKIFY_CHECKS=setting)
        assert (ended.code, said in ended.log) == (64, True), ended.log
        assert len(ended.log.splitlines()) == 1
    both = pipeline.run("check", "--date", DAY, SPARKIFY_CHECKS="depth=3 history_days=0")
    assert "no threshold depth" in both.log
    assert "history_days: 0 is not from 1 to 366" in both.log
    for text, said in BAD_FILES.items():
        (sql / "checks.toml").write_text(text)
        ended = pipeline.run("check", "--date", DAY, SPARKIFY_SQL=str(sql))
        assert (ended.code, said in ended.log) == (64, True), ended.log
    assert "check: say which day: --date DAY" in pipeline.run("check").log
    assert pipeline.run("check", "--results", "--explain", "songs.grain").code == 64


def test_explain_shows_each_check_and_the_very_sql_that_is_run(loaded: Pipeline, warehouse: Any) -> None:
    told = loaded.run("check", "--explain", "no.such").log
    assert "there is no check no.such; there are, for example, " in told
    for name in sorted(names()):
        out = loaded.done("check", "--explain", name, "--date", DAY).out
        assert re.match(
            rf"check     {name}\nseverity  (check|warn), by its file's name\nfile      sql/\S+\n", out
        )
        assert re.search(r"^means     \w[^\n]{20,}$", out, re.MULTILINE)
        text = out[re.search(r"^select count\(\*\) over \(\)", out, re.MULTILINE).start() :]  # type: ignore[union-attr]
        assert rows(warehouse, text.rstrip().rstrip(";")) == [], name

    trailing(warehouse, [41] * 7)
    out = loaded.done(
        "check", "--explain", "events.volume", "--date", DAY, SPARKIFY_CHECKS="deviations=4.5"
    ).out
    assert "\nrun by    check\n" in out
    assert re.search(r"^deviations +4.5 +SPARKIFY_CHECKS +1 +100 +usual distances from", out, re.MULTILINE)
    assert re.search(r"^history_days +28 +sql/checks.toml +1 +366 +trailing days", out, re.MULTILINE)
    ((offending, count, *_),) = rows(warehouse, out[out.index("\nselect count(*)") :].rstrip().rstrip(";"))
    assert (offending, count) == (1, 20.0)
    # A literal has the type that the bound value would have.
    assert "> cast(4.5 as double precision) * " in out
    assert "day between cast(:day as date) - 28" in loaded.done("check", "--explain", "events.volume").out
    off = loaded.done("check", "--explain", "events.volume", SPARKIFY_CHECKS="events.volume.severity=off").out
    assert "\nseverity  off, by SPARKIFY_CHECKS\n" in off
    assert "\nrun by    -\n" in off


def test_results_show_the_last_run_of_each_step_and_the_history_every_result(
    loaded: Pipeline, warehouse: Any
) -> None:
    assert loaded.run("check", "--results", "--date", "2018-11-02").code == 99
    trailing(warehouse, [41] * 7)
    loaded.done("check", "--date", DAY, "--run", "second")
    out = loaded.done("check", "--results", "--date", DAY).out
    lines = [re.split(" {2,}", each) for each in out.partition("\n\n")[0].splitlines()]
    assert lines[0] == ["step", "check_name", "severity", "offending", "thresholds", "checked_at", "run"]
    assert [each[:4] for each in lines[1:3]] == [["check", name, "warn", "1"] for name in sorted(VOLUMES)]
    assert {each[1] for each in lines[1:] if each[0] == "check"} == names()
    assert {each[1] for each in lines[1:] if each[0] == "load"} == {
        f"{path.parent.name}.{path.stem.removeprefix('check_')}" for path in SQL.glob("star/*/check_*.sql")
    }
    assert {each[-1] for each in lines[1:] if each[0] == "check"} == {"second"}
    assert re.search(
        r'\nevents.volume found in check, for example\n  \{"row_count": 20.0, "median_before": 41.0', out
    )

    out = loaded.done("check", "--history", "events.volume").out
    history = [re.split(" {2,}", each) for each in out.splitlines()]
    assert [each[:4] for each in history[1:]] == [[DAY, "check", "warn", "1"], [DAY, "check", "warn", "0"]]
    assert len(loaded.done("check", "--history", "events.volume", "--limit", "1").out.splitlines()) == 2


def test_adding_a_check_is_adding_the_file_that_the_documentation_shows(loaded: Pipeline, sql: Path) -> None:
    text = (ROOT / "docs/checks.md").read_text()
    match = re.search(r"as `sql/(\S+)`, is there.*?```sql\n(.*?)```", text, re.DOTALL)
    assert match
    assert len(match[2].splitlines()) == 5
    (sql / match[1]).write_text(match[2])
    ended = loaded.done("check", "--date", DAY, SPARKIFY_SQL=str(sql))
    assert [each["songplay_id"] for each in warned(ended)["songplays.no_location"]] == [
        f"139-{item}" for item in (0, 10, 12, 14, 16)
    ]
    out = loaded.done("check", "--results", "--date", DAY, SPARKIFY_SQL=str(sql)).out
    ways = re.findall(r"^    sparkify (trace \S+)$", out, re.MULTILINE)
    assert ways[0] == "trace 139-0"
    traced = loaded.done(*ways[0].split(), SPARKIFY_SQL=str(sql)).out
    assert re.search(r"^source_line +1$", traced, re.MULTILINE)


def test_a_stage_whose_blocking_check_finds_rows_leaves_staging_as_it_was(
    loaded: Pipeline, warehouse: Any, sql: Path
) -> None:
    header = "-- check_twenty: there are no more than twenty.\n-- Rerun: only reads.\n"
    (sql / "staging/events/check_twenty.sql").write_text(
        f"{header}select source_file, source_line from staging_events where day = :day and source_line > 20 "
        "and session_id between :least_session and :greatest_session;\n"
    )
    (sql / "staging/songs/check_twenty.sql").write_text(
        f"{header}select song_id, source_file from staging_songs where title = 'No';\n"
    )
    staged = "select source, day, version from staging_versions order by 1"
    before = rows(warehouse, staged)

    loaded.put_day(DAY, "\n".join([*HALF_A_LOCATION, line(itemInSession=PLAYS)]))
    ended = loaded.run("stage", "events", "--date", DAY, "--run", "bad", SPARKIFY_SQL=str(sql))
    said = (
        f"{DAY}: staging is as it was: events.twenty: 1 offending row, such as "
        f'[{{"source_file": "{FILE}", "source_line": 21}}]; check_results has all results of run bad'
    )
    assert (ended.code, said in ended.log) == (1, True), ended.log
    assert rows(
        warehouse, "select step, check_name, offending from check_results where run = 'bad' order by 2"
    ) == [
        ["stage_events", "events.near_its_day", 0],
        ["stage_events", "events.reconciliation", 0],
        ["stage_events", "events.twenty", 1],
    ]

    out = loaded.done("check", "--results", "--date", DAY).out
    assert out.partition("\n\n")[2] == (
        "events.twenty found in stage_events, for example\n"
        f'  {{"source_file": "{FILE}", "source_line": 21}}\n    not staged: s3://{loaded.bucket}/{FILE}:21\n'
    )

    loaded.put("song_data/A/B/C/TR2.json", song(song_id="SONO", title="No"))
    ended = loaded.run("stage", "songs", "--run", "bad-songs", SPARKIFY_SQL=str(sql))
    said = "songs: staging is as it was: songs.twenty: 1 offending row, such as"
    assert (ended.code, said in ended.log) == (1, True), ended.log
    assert "check_results has all results of run bad-songs" in ended.log
    kept = "select step, day, check_name, offending from check_results where run = 'bad-songs' order by 3"
    assert rows(warehouse, kept) == [
        ["stage_songs", None, "songs.reconciliation", 0],
        ["stage_songs", None, "songs.twenty", 1],
    ]

    assert rows(warehouse, staged) == before
    assert rows(
        warehouse, "select (select count(*) from staging_events), (select count(*) from staging_songs)"
    ) == [[PLAYS, 1]]

    # Corrected, the same runs leave what a clean run does.
    loaded.put_day(DAY, "\n".join(HALF_A_LOCATION))
    loaded.put("song_data/A/B/C/TR2.json", song(song_id="SONO", title="Yes"))
    loaded.done("stage", "events", "--date", DAY, "--run", "bad", SPARKIFY_SQL=str(sql))
    loaded.done("stage", "songs", "--run", "bad-songs", SPARKIFY_SQL=str(sql))
    assert rows(
        warehouse,
        "select step, count(*), max(offending) from check_results "
        "where run like 'bad%' group by 1 order by 1",
    ) == [["stage_events", 3, 0], ["stage_songs", 2, 0]]


TWICE = "insert into {0} select * from {0}"
SPOILED: dict[str, list[str]] = {
    "events.near_its_day": ["update staging_events set ts = '2018-12-01' where source_line = 3"],
    "songplays.required": ["update songplays set level = '' where source_line = 3"],
    "songplays.reconciliation": ["delete from songplays where source_line = 3"],
    "songplays.grain": ["update songplays set songplay_id = '139-0' where source_line = 3"],
    "songs.grain": [TWICE.format("songs")],
    "songs.required": ["update songs set title = ''"],
    "songs.in_line_with_staging": ["update songs set content_hash = 'x'"],
    "songs.reconciliation": ["update staged_files set lines = 7 where source = 'songs'"],
    "events.reconciliation": ["update staged_files set lines = 77 where source = 'events'"],
    "artists.grain": [TWICE.format("artists")],
    "artists.required": ["update artists set name = ''"],
    "users.grain": [TWICE.format("users")],
    "users.required": ["update users set level = ''"],
    "time.grain": [TWICE.format('"time"')],
    "time.required": ['update "time" set hour = 25'],
}


def test_the_rows_of_every_blocking_check_can_be_traced(loaded: Pipeline, warehouse: Any) -> None:
    blocking = {f"{path.parent.name}.{path.stem[6:]}" for path in SQL.glob("*/*/check_*.sql")}
    assert blocking == set(SPOILED)
    tables = ("staging_events", "songplays", "songs", "artists", "users", '"time"', "staged_files")
    cursor = warehouse.cursor()
    for number, table in enumerate(tables):
        cursor.execute(f"create table kept_{number} as select * from {table}")
    for place, (name, statements) in enumerate(SPOILED.items()):
        for spoil in statements:
            cursor.execute(spoil)
        warehouse.commit()
        # Of results of one second the last are those of the greatest name.
        failed = loaded.run("check", "--date", DAY, "--run", f"spoiled-{place:02}")
        assert (failed.code, name in failed.log) == (1, True), name
        out = loaded.done("check", "--results", "--date", DAY).out
        ways = re.search(
            rf"^{name} found in check, for example\n(?:  .*\n)*?    sparkify (trace .*)\n", out, re.MULTILINE
        )
        assert ways, (name, out)
        traced = loaded.run(*ways[1].split())
        assert FILE in traced.out or SONGS in traced.out, (name, ways[1], traced)
        for number, table in enumerate(tables):
            cursor.execute(f"delete from {table}")
            cursor.execute(f"insert into {table} select * from kept_{number}")
        warehouse.commit()
    loaded.done("check", "--date", DAY)


def test_lines_that_are_no_plays_and_contradict_each_other_are_named_and_stop_nothing(
    pipeline: Pipeline,
) -> None:
    home = {"itemInSession": 2, "page": "Home"}
    pipeline.put_day(DAY, "\n".join([line(), line(**home), line(**home), line(**{**home, "page": "Help"})]))
    pipeline.put_day("2018-11-02", line(**home, level="paid"))
    for day in (DAY, "2018-11-02"):
        pipeline.day(day)
    named = warned(pipeline.done("check", "--date", DAY))["events.one_content"]
    ways = [(row["source_line"], row["other_file"], row["other_line"]) for row in named]
    near = "log_data/2018/11/2018-11-02-events.json"
    assert sorted(ways) == [(2, FILE, 4), (2, near, 1), (3, near, 1), (4, near, 1)]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("update songplays set user_id = '0'", {"missing_user_id": "0"}),
        ("update songplays set user_id = ''", {"missing_user_id": ""}),
        (
            "update songplays set start_time = '2018-11-01 21:01:46'",
            {"missing_start_time": "2018-11-01 21:01:46"},
        ),
        (
            "update songplays set song_id = 'SO0'",
            {"missing_song_id": "SO0", "missing_artist_id": "AR62SOJ1187FB47BB5"},
        ),
        ("update songplays set song_id = null", {"missing_artist_id": "AR62SOJ1187FB47BB5"}),
        ("update songplays set level = ''", {"level": ""}),
        ("update songplays set item_in_session = 77", {}),
        ("update songplays set songplay_id = '139-77'", {"songplay_id": "139-77"}),
    ],
)
def test_a_play_that_points_to_nothing_or_lacks_what_it_must_have_is_found(
    loaded: Pipeline, warehouse: Any, spoil: str, said: dict[str, Any]
) -> None:
    warehouse.cursor().execute(f"{spoil} where source_line = 3")
    warehouse.commit()
    checked = loaded.run("check", "--date", DAY)
    good = {
        "songplay_id": "139-2",
        "level": "free",
        "source_file": FILE,
        "source_line": 3,
        "missing_user_id": None,
        "missing_start_time": None,
        "missing_song_id": None,
        "missing_artist_id": None,
    }
    assert (checked.code, warned(checked)["songplays.required"]) == (1, [{**good, **said}])


def test_the_documentation_has_every_threshold_and_check_of_the_history() -> None:
    text = (ROOT / "docs/checks.md").read_text()
    configured = (SQL / "checks.toml").read_text()
    for name, value, meaning in re.findall(
        r'\[thresholds\.(\w+)\]\nvalue = (\S+)\n.*?meaning = "(.*?)"', configured, re.DOTALL
    ):
        assert f"| `{name}` | {value} | {meaning} |" in text
    for path in SQL.glob("history/*.sql"):
        assert f"| `{path.stem}` |" in text


def test_a_blocking_check_that_is_lowered_to_a_warning_lets_the_load_pass_and_warns(
    loaded: Pipeline, warehouse: Any
) -> None:
    lowered = {"SPARKIFY_CHECKS": "songplays.grain.severity=warn"}
    loaded.put_day(DAY, "\n".join([line(), line(level="paid")]))
    loaded.done("stage", "events", "--date", DAY)
    plays = "select count(*), count(distinct songplay_id) from songplays"
    refused = loaded.run("load", "--date", DAY)
    assert (refused.code, "songplays.grain: 2 offending rows" in refused.log) == (1, True), refused.log
    assert rows(warehouse, plays) == [[PLAYS, PLAYS]]
    loaded.done("load", "--date", DAY, **lowered)
    assert rows(warehouse, plays) == [[2, 1]]
    checked = loaded.done("check", "--date", DAY, "--run", "lowered", **lowered)
    assert sorted(each["source_line"] for each in warned(checked)["songplays.grain"]) == [1, 2]
    assert rows(
        warehouse,
        "select severity, offending from check_results"
        " where run = 'lowered' and check_name = 'songplays.grain'",
    ) == [["warn", 2]]
    assert loaded.run("check", "--date", DAY).code == 1
