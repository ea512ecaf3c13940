"""`sparkify quarantine`: bad lines are looked into, and judged again when the rules change."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sparkify import quarantined
from tests import command
from tests.star.conftest import Pipeline
from tests.star.test_readers_and_writers import fault
from tests.worker.staging import DAY, FILE, line, rows, song, staging, staging_keys

SQL = Path(__file__).parents[2] / "sql"
SONG = "song_data/A/B/C/TR1.json"
NEXT = "2018-11-02"
LONG = "z" * 5_000_000
BAD = b'{"page": \xff\x1b[31m'


@pytest.fixture
def staged(pipeline: Pipeline) -> Pipeline:
    """Two days and a song file with bad lines."""
    day = [line().encode(), BAD, line(page=None, sessionId=2).encode(), LONG.encode()]
    pipeline.put_day(DAY, b"\n".join(day))
    pipeline.put_day(NEXT, "bad")
    pipeline.put(SONG, song(title=None) + "\n" + song())
    lenient = {"SPARKIFY_MAX_BAD_RATIO": "1"}
    pipeline.done("stage", "songs", "--run", "first", **lenient)
    for each in (DAY, NEXT):
        pipeline.done("stage", "events", "--date", each, "--run", "first", **lenient)
    return pipeline


def listed(pipeline: Pipeline, *options: str) -> list[tuple[str, int, str]]:
    out = pipeline.done("quarantine", "list", "--format", "json", *options).out
    found = [json.loads(each) for each in out.splitlines()]
    return [(each["source_file"], each["source_line"], each["reason"]) for each in found]


def test_quarantined_lines_are_listed_for_people_and_for_machines(staged: Pipeline) -> None:
    next_file = FILE.replace(DAY, NEXT)
    everything = [
        (FILE, 2, "json"),
        (FILE, 3, "required"),
        (FILE, 4, "size"),
        (next_file, 1, "json"),
        (SONG, 1, "required"),
    ]
    assert listed(staged) == everything
    assert listed(staged, "--date", DAY) == everything[:3]
    assert listed(staged, "--source", "songs") == everything[4:]
    assert listed(staged, "--reason", "json") == [everything[0], everything[3]]
    assert listed(staged, "--file", "02-events.json") == [everything[3]]
    assert listed(staged, "--file", f"s3://{staged.bucket}/{SONG}", "--reason", "required") == everything[4:]
    assert listed(staged, "--date", DAY, "--source", "songs") == []
    shown = staged.done("quarantine", "list", "--date", DAY, "--limit", "2")
    utf8 = "'utf-8' codec can't decode byte 0xff in position 9: invalid start byte"
    assert [re.split(" {2,}", each) for each in shown.out.splitlines()] == [
        ["source", "day", "line", "reason", "bytes", "detail"],
        ["events", DAY, f"{FILE}:2", "json", str(len(BAD)), utf8],
        ["events", DAY, f"{FILE}:3", "required", str(len(line(page=None, sessionId=2))), "page is null"],
    ]
    assert "there are more lines; --limit shows them" in shown.log


def raw(pipeline: Pipeline, *options: str) -> bytes:
    """What a process of its own writes, as bytes."""
    process = command.start(("quarantine", "show", "--raw", *options), pipeline.environment)
    assert process.stdout
    out = process.stdout.buffer.read()  # type: ignore[attr-defined]
    assert command.end(process).code == 0
    return bytes(out)


def test_one_line_is_shown_with_all_that_is_known_and_its_bytes_are_given_back(staged: Pipeline) -> None:
    shown = staged.done("quarantine", "show", f"{DAY}-events.json:2").out
    known = dict(re.split(" {2,}", each) for each in shown.splitlines()[:-2])
    assert {
        name: known[name] for name in ("source", "day", "source_file", "source_line", "reason", "run")
    } == {
        "source": "events",
        "day": DAY,
        "source_file": FILE,
        "source_line": "2",
        "reason": "json",
        "run": "first",
    }
    assert shown.splitlines()[-1] == r'{"page": \xff\x1b[31m'
    assert raw(staged, f"{FILE}:2") == BAD
    assert raw(staged, f"{FILE}:4") == LONG.encode()
    long = staged.done("quarantine", "show", f"s3://{staged.bucket}/{FILE}:4").out
    assert long.splitlines()[-1] == "z" * 1000 + "… (--raw prints all)"
    for place, message in (
        (f"{FILE}:1", f"no quarantined line {FILE}:1; see what there is with: sparkify quarantine list"),
        (".json:1", f"events.json:1 and {SONG}:1: give more of the name"),
    ):
        ended = staged.run("quarantine", "show", place)
        assert (ended.code, message in ended.log) == (1, True)
    elsewhere = staged.run("quarantine", "show", f"{FILE}:2", SPARKIFY_STAGING="s3://elsewhere")
    assert elsewhere.code == 64
    assert "is not below s3://elsewhere/quarantine/; check SPARKIFY_STAGING" in elsewhere.log


def test_the_lines_of_a_stage_that_was_refused_can_be_looked_into(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, b"\n".join([line().encode()] * 3 + [BAD, line(page=None).encode()]))
    ended = pipeline.run("stage", "events", "--date", DAY)
    assert ended.code == 1
    match = re.search(
        rf"2 of 5 lines are bad \(json 1, required 1\), .*the first of each: {FILE}:4 json: .*; "
        rf"{FILE}:5 required: page is null; all of them: sparkify quarantine list --at (\S+)",
        ended.log,
    )
    assert match
    place = ["--at", match[1]]
    assert listed(pipeline) == []
    assert listed(pipeline, *place) == [(FILE, 4, "json"), (FILE, 5, "required")]
    assert listed(pipeline, *place, "--reason", "json", "--date", DAY, "--file", FILE) == [(FILE, 4, "json")]
    assert raw(pipeline, f"{FILE}:4", *place) == BAD
    absent = pipeline.run("quarantine", "list", "--at", match[1].replace(DAY, NEXT))
    assert absent.code == 64
    assert "there is no quarantine at" in absent.log


def test_an_index_that_is_not_what_was_written_is_told_so(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, BAD)
    place = re.search(r"quarantine list (--at) (\S+)", pipeline.run("stage", "events", "--date", DAY).log)
    assert place
    bucket, prefix = staging(pipeline)
    (part,) = (prefix + key for key in staging_keys(pipeline) if "/index/part-" in key)
    index = pipeline.client.get_object(Bucket=bucket, Key=part)["Body"].read()
    pipeline.client.put_object(Bucket=bucket, Key=part, Body=index[:-1] + bytes([index[-1] ^ 1]))
    ended = pipeline.run("quarantine", "list", *place.groups())
    assert ended.code == 75
    assert (
        f"s3://{bucket}/{part} is not what was written (Restored data doesn't match checksum); "
        "stage the same again"
    ) in ended.log


@pytest.fixture
def refused_by_mistake(pipeline: Pipeline, tmp_path: Path) -> Pipeline:
    """Two days and a song file, staged by contracts that are corrected now."""
    sql = tmp_path / "sql"
    shutil.copytree(SQL, sql)
    for source, right, wrong in (
        ("events", '[fields.method]\ntype = "varchar(16)"', '[fields.method]\ntype = "varchar(3)"'),
        ("songs", '[fields.year]\ntype = "integer"', '[fields.year]\ntype = "integer"\nmaximum = 2000'),
    ):
        contract = sql / "staging" / source / "contract.toml"
        text = contract.read_text(encoding="utf-8")
        assert text.count(right) == 1
        contract.write_text(text.replace(right, wrong), encoding="utf-8")
    long = line(page="Home", itemInSession=2, method="DELETE")
    pipeline.put_day(DAY, "\n".join([line(), "bad", long, "worse", "", line()]))
    pipeline.put_day(NEXT, line(sessionId=5, ts=1541192506796))
    pipeline.put(SONG, song() + "\nbad\n")
    wrong_rules = {"SPARKIFY_MAX_BAD_RATIO": "1", "SPARKIFY_SQL": str(sql)}
    pipeline.done("stage", "songs", **wrong_rules)
    for day in (DAY, NEXT):
        pipeline.done("stage", "events", "--date", day, **wrong_rules)
    return pipeline


def retry(pipeline: Pipeline, *options: str) -> Any:
    return pipeline.run("quarantine", "retry", *options, SPARKIFY_MAX_BAD_RATIO="1")


LEDGER = (
    "select source_file, lines, loaded, quarantined, blank from staged_files where source = '{}' order by 1"
)


def test_a_retry_lets_in_the_lines_that_are_good_now_and_keeps_the_others(
    refused_by_mistake: Pipeline, warehouse: Any
) -> None:
    other = rows(warehouse, f"select version from staging_versions where day = '{NEXT}'")
    assert rows(warehouse, LEDGER.format("events"))[0] == [FILE, 6, 2, 3, 1]
    assert rows(warehouse, LEDGER.format("songs")) == [[SONG, 2, 0, 2, 0]]
    assert "nothing changed" in refused_by_mistake.done("stage", "songs").log
    fault(warehouse, action="lose_commit", application="sparkify quarantine_retry")
    lost = retry(refused_by_mistake, "--source", "songs")
    assert (lost.code, "asking the ledger" in lost.log) == (0, True)
    ended = retry(refused_by_mistake, "--date", DAY)
    assert ended.code == 0, ended.log
    assert [re.split(" {2,}", each) for each in ended.out.splitlines()] == [
        ["day", "was", "is", "lines"],
        [DAY, "json", "json", "2"],
        [DAY, "size", "good", "1"],
    ]
    assert f'command="sparkify load --date {DAY}"' in ended.log
    assert rows(warehouse, LEDGER.format("events"))[0] == [FILE, 6, 3, 2, 1]
    assert rows(warehouse, LEDGER.format("songs")) == [[SONG, 2, 1, 1, 0]]
    assert listed(refused_by_mistake) == [(FILE, 2, "json"), (FILE, 4, "json"), (SONG, 2, "json")]
    assert raw(refused_by_mistake, f"{FILE}:4") == b"worse"
    for step in ("load", "check"):
        refused_by_mistake.done(step, "--date", DAY)
    assert rows(warehouse, "select source_file, source_line from songs") == [[SONG, 1]]
    assert rows(warehouse, f"select version from staging_versions where day = '{NEXT}'") == other
    before = staging_keys(refused_by_mistake)
    again = retry(refused_by_mistake, "--source", "events")
    assert again.code == 99
    assert "the rules say of all 2 lines what they said when they were staged" in again.log
    assert staging_keys(refused_by_mistake) == before


def test_the_lines_of_a_file_that_has_changed_or_is_gone_do_not_come_back(
    refused_by_mistake: Pipeline, warehouse: Any
) -> None:
    before = rows(warehouse, "select version from staging_versions order by 1")
    refused_by_mistake.put_day(DAY, line(page="Home"))
    changed = retry(refused_by_mistake, "--source", "events")
    refused_by_mistake.remove(SONG)
    gone = retry(refused_by_mistake, "--source", "songs")
    assert (changed.code, gone.code) == (1, 1)
    assert (
        f"{refused_by_mistake.bucket}/{FILE} has changed since it was staged: the lines that were kept of "
        f"it are no longer its lines; bring staging in line with: sparkify stage events --date {DAY}"
    ) in changed.log
    assert f"{SONG} is gone since it was staged" in gone.log
    assert gone.log.splitlines()[-1].count("sparkify stage songs") == 1
    assert rows(warehouse, "select version from staging_versions order by 1") == before
    bucket, prefix = staging(refused_by_mistake)
    for key in staging_keys(refused_by_mistake):
        refused_by_mistake.client.delete_object(Bucket=bucket, Key=prefix + key)
    for ended in (
        retry(refused_by_mistake, "--date", DAY),
        refused_by_mistake.run("quarantine", "show", f"{FILE}:2"),
    ):
        assert (ended.code, f"the bytes of {FILE}:2 are gone from s3://{bucket}" in ended.log) == (1, True)


def test_a_retry_that_another_stage_overtakes_judges_what_that_one_kept(
    refused_by_mistake: Pipeline, warehouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = quarantined._verdicts
    overtaken: list[int] = []

    def late(*arguments: Any) -> Any:
        if not overtaken:
            again = refused_by_mistake.start("stage", "events", "--date", DAY, SPARKIFY_MAX_BAD_RATIO="1")
            overtaken.append(command.end(again).code)
        return judge(*arguments)

    monkeypatch.setattr(quarantined, "_verdicts", late)
    ended = retry(refused_by_mistake, "--date", DAY)
    assert (overtaken, ended.code) == ([0], 99)
    assert "another stage replaced the lines meanwhile" in ended.log
    assert re.split(" {2,}", ended.out.splitlines()[1]) == [DAY, "json", "json", "2"]
    assert rows(warehouse, LEDGER.format("events"))[0] == [FILE, 6, 3, 2, 1]


def test_a_retry_is_told_which_lines(pipeline: Pipeline) -> None:
    for options, code, message in (
        (("--source", "songs"), 99, "the quarantine holds no such line"),
        ((), 64, "say which lines: --date DAY, --source events or --source songs"),
        (("--date", DAY, "--source", "songs"), 64, "songs have no day; leave out --date"),
    ):
        ended = retry(pipeline, *options)
        assert (ended.code, message in ended.log) == (code, True)
