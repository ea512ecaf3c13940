"""`sparkify trace`: from a play to its source line and its checks, and from a file to what it became."""

import re
from typing import Any

import pytest

from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, line, rows, song

SONGS = "song_data/A/B/C/TR1.json"
EVENTS = [
    line(),
    "",
    line(itemInSession=2, page="Home"),
    line(),
    "bad",
    line(itemInSession=3, song=None),
]


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """A day and a song file that have lines of every kind, loaded by one run."""
    known = {"title": "You Gotta Be", "artist_name": "Des'ree", "duration": 246.30812}
    pipeline.put_day(DAY, "\n".join(EVENTS))
    pipeline.put(SONGS, "\n".join([song(**known), song(**known), "bad", ""]))
    for step in (["stage", "songs"], ["stage", "events", "--date", DAY], ["load", "--date", DAY]):
        pipeline.done(*step, "--run", "first", SPARKIFY_MAX_BAD_RATIO="1")
    return pipeline


def table(out: str, title: str) -> list[list[str]]:
    """The rows below a title, without the names of the columns."""
    section = out.partition(f"{title}\n")[2].partition("\n\n")[0]
    return [re.split(" {2,}", each) for each in section.splitlines()[1:]]


def record(out: str) -> dict[str, str]:
    lines = out.partition("\n\n")[0].splitlines()
    return dict(re.split(" {2,}", each, maxsplit=1) for each in lines)


def test_a_play_leads_to_its_line_its_part_its_load_and_its_checks(loaded: Pipeline, warehouse: Any) -> None:
    out = loaded.done("trace", "139-1").out
    ((version, load_id),) = rows(warehouse, "select version, load_id from loads")
    play = record(out)
    del play["staged_at"], play["loaded_at"], play["file_etag"]
    assert play == {
        "songplay_id": "139-1",
        "start_time": "2018-11-01 21:01:46.796000",
        "user_id": "8",
        "level": "free",
        "title": "You Gotta Be",
        "artist_name": "Des'ree",
        "duration": "246.30812",
        "song_id": "SOGVQGJ12AB017F169",
        "artist_id": "AR62SOJ1187FB47BB5",
        "source_day": DAY,
        "source_file": FILE,
        "source_line": "1",
        "in_step": "yes",
        "file_bytes": str(len("\n".join(EVENTS))),
        "staged_by": "first",
        "part": f"{loaded.environment['SPARKIFY_STAGING']}/events/{DAY}/{version}/rows/part-00000.zst",
        "loaded_by": "first",
        "load_id": load_id,
    }
    lines = table(out, "staged lines of this event")
    assert [(each[0], each[1], each[-1]) for each in lines] == [(FILE, "1", "play"), (FILE, "4", "duplicate")]
    assert [each[1:4] for each in table(out, "may hold the same event")] == [[DAY, "first", load_id]]
    checks = table(out, "checks in the run that wrote it, and in that of its day's last load")
    query = "select step, check_name, severity from check_results order by checked_at, 2"
    expected = rows(warehouse, query)
    assert {step for step, *_ in expected} == {"stage_songs", "stage_events", "load"}
    assert [each[:6] for each in checks] == [
        ["first", "-" if step == "stage_songs" else DAY, step, name, severity, "0"]
        for step, name, severity in expected
    ]
    assert ["load", "songplays.reconciliation", "check"] in expected


def test_a_file_leads_to_what_became_of_its_lines(loaded: Pipeline, warehouse: Any) -> None:
    out = loaded.done("trace", "--file", f"{DAY}-events.json").out
    file = record(out)
    assert {name: file[name] for name in ("lines", "staged", "quarantined", "blank", "loaded_by")} == {
        "lines": "6",
        "staged": "4",
        "quarantined": "1",
        "blank": "1",
        "loaded_by": "first",
    }
    assert [each[:2] for each in table(out, "parts that its good lines travelled in")] == [["1", "6"]]
    assert table(out, "what became of its lines") == [
        ["quarantined", "1"],
        ["duplicate", "1"],
        ["left out", "1"],
        ["play", "2"],
        ["blank", "1"],
    ]
    ((reason,),) = rows(warehouse, "select detail from quarantine where source = 'events'")
    assert table(out, "the lines") == [
        ["5", "quarantined", "-", f"json: {reason}"],
        ["4", "duplicate", "139-1", f"of {FILE}:1"],
        ["3", "left out", "-", "not a play: Home"],
        ["1", "play", "139-1", "You Gotta Be"],
        ["6", "play", "139-3", "-"],
    ]
    first = loaded.done("trace", "--file", FILE, "--limit", "1")
    assert table(first.out, "the lines") == [["5", "quarantined", "-", f"json: {reason}"]]
    assert "there are more lines; --limit shows them" in first.log

    out = loaded.done("trace", "--file", f"s3://{loaded.bucket}/{SONGS}").out
    assert record(out)["loaded_by"] == "first"
    ((reason,),) = rows(warehouse, "select detail from quarantine where source = 'songs'")
    assert table(out, "the lines") == [
        ["3", "quarantined", "-", f"json: {reason}"],
        ["2", "duplicate", "SOGVQGJ12AB017F169", f"of {SONGS}:1"],
        ["1", "song", "SOGVQGJ12AB017F169", "You Gotta Be, matched by 1 plays"],
    ]


def test_a_line_leads_to_the_play_that_holds_it(loaded: Pipeline) -> None:
    out = loaded.done("trace", f"{DAY}-events.json:4").out
    assert table(out, "the line") == [["4", "duplicate", "139-1", f"of {FILE}:1"]]
    assert "\nsongplay_id  139-1\n" in out
    assert table(loaded.done("trace", "--file", FILE, "--line", "3").out, "the line")[0][1] == "left out"
    assert loaded.done("trace", f"{FILE}:2").out.endswith("\n\nline 2 is blank\n")
    for options, code, message in (
        ((f"{FILE}:7",), 1, f"{FILE} has 6 lines, and no line 7"),
        (("--file", "none.json"), 1, "no staged file's name ends with none.json: it is gone, or was never"),
        (
            ("--file", ".json"),
            1,
            f"several staged files' names end with .json, such as {FILE}, {SONGS}: give",
        ),
        ((), 64, "say what: SONGPLAY_ID, FILE:LINE, or --file FILE and perhaps --line LINE"),
        (("139-1", "--line", "1"), 64, "trace: say what"),
    ):
        ended = loaded.run("trace", *options)
        assert (ended.code, message in ended.log) == (code, True), ended.log


def test_the_rows_that_a_failed_check_shows_can_be_traced(loaded: Pipeline, warehouse: Any) -> None:
    loaded.put_day(DAY, "\n".join([*EVENTS, line(level="paid")]))
    loaded.done("stage", "events", "--date", DAY, SPARKIFY_MAX_BAD_RATIO="1")
    failed = loaded.run("load", "--date", DAY)
    assert failed.code == 1
    match = re.search(r'"songplay_id": "139-1", "source_file": "([^"]+)", "source_line": 7', failed.log)
    assert match
    out = loaded.done("trace", f"{match[1]}:7").out
    assert table(out, "the line") == [
        ["7", "not loaded", "139-1", f"another content of its key is at {FILE}:1"]
    ]
    play = record(out.partition("the play 139-1\n")[2])
    assert (play["in_step"], play["part"]) == ("no", "-")
    assert [each[-1] for each in table(out, "staged lines of this event")] == [
        "play",
        "duplicate",
        "not loaded: another content",
    ]
