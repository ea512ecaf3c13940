"""What the tables mean: each sentence, from files in S3 to the star."""

import json
from pathlib import Path
from typing import Any

import pytest

from laptop import demo_data
from tests import oracle
from tests.lines import EVENT, SONG
from tests.star.conftest import Pipeline, day_key

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"
REAL_DAYS = [f"2018-11-{day:02}" for day in range(1, 11)]

NOON = {f"2018-11-{day:02}": 1541030400000 + 43200000 + 86400000 * (day - 1) for day in range(1, 30)}


def event(day: str, **fields: Any) -> dict[str, Any]:
    return {**EVENT, "itemInSession": 0, "ts": NOON[day], **fields}


def fill(pipeline: Pipeline, events: dict[str, bytes], songs: dict[str, bytes]) -> None:
    for day, body in events.items():
        pipeline.put_day(day, body)
    for key, body in songs.items():
        pipeline.put(key, body)


def test_the_real_days_give_the_tables_that_plain_python_computes(pipeline: Pipeline, warehouse: Any) -> None:
    if not REAL_DATA.is_dir():
        pytest.skip("the real files are not in ../shared/data")
    events, songs = oracle.read(REAL_DATA, REAL_DAYS)
    fill(pipeline, events, songs)
    for day in REAL_DAYS:
        pipeline.day(day)
    assert oracle.loaded(warehouse) == oracle.star(events, songs)


def test_any_order_of_days_and_repetition_gives_the_tables_of_one_clean_load(
    pipeline: Pipeline, warehouse: Any, tmp_path: Path
) -> None:
    demo_data.write(tmp_path)
    days = sorted(path.name[:10] for path in tmp_path.glob("log_data/*/*/*.json"))
    events, songs = oracle.read(tmp_path, days)
    fill(pipeline, events, songs)
    for day in [*reversed(days), *days[:2]]:
        pipeline.day(day)
    assert oracle.loaded(warehouse) == oracle.star(events, songs)


def test_corrected_late_duplicated_and_withdrawn_files_leave_what_the_files_say_now(
    pipeline: Pipeline, warehouse: Any
) -> None:
    twice = event("2018-11-02", sessionId=5)
    events = {
        "2018-11-01": [event("2018-11-01"), event("2018-11-01", itemInSession=1, page="Home"), twice],
        "2018-11-02": [twice, event("2018-11-01", sessionId=6), event("2018-11-02", sessionId=7), twice],
        "2018-11-03": [event("2018-11-02", sessionId=7), event("2018-11-03", sessionId=8, level="paid")],
    }
    for day, lines in events.items():
        pipeline.put_day(day, lines)
    for day in ("2018-11-03", "2018-11-01", "2018-11-02"):
        pipeline.day(day)
    assert oracle.loaded(warehouse) == oracle.star(as_files(events), {})

    events["2018-11-02"] = [event("2018-11-02", sessionId=9, level="paid")]
    pipeline.put_day("2018-11-02", events["2018-11-02"])
    pipeline.day("2018-11-02")
    assert oracle.loaded(warehouse) == oracle.star(as_files(events), {})

    del events["2018-11-01"]
    pipeline.remove(day_key("2018-11-01"))
    pipeline.day("2018-11-01", SPARKIFY_MISSING_DAY="empty")
    assert oracle.loaded(warehouse) == oracle.star(as_files(events), {})


def test_songs_that_come_late_change_or_go_are_matched_again_on_every_day(
    pipeline: Pipeline, warehouse: Any
) -> None:
    events = {day: [event(day, sessionId=number)] for number, day in enumerate(("2018-11-01", "2018-11-02"))}
    for day, lines in events.items():
        pipeline.put_day(day, lines)
    song = {
        **SONG,
        "title": EVENT["song"],
        "artist_name": EVENT["artist"],
        "duration": EVENT["length"],
        "year": 0,
    }
    versions: list[list[dict[str, Any]]] = [
        [],
        [song],
        [{**song, "title": "Kissing You"}],
        [{**song, "song_id": "SO2"}],
        [],
    ]
    key = "song_data/A/B/C/TRABCAA128F9326F00.json"
    for day, songs in zip(["2018-11-01", *["2018-11-02"] * 4], versions, strict=True):
        pipeline.remove(key)
        if songs:
            pipeline.put(key, songs)
        pipeline.day(day)
        loaded = {each: lines for each, lines in events.items() if each <= day}
        files = {key: as_file(songs)} if songs else {}
        assert oracle.loaded(warehouse) == oracle.star(as_files(loaded), files)


def test_every_line_ends_as_loaded_a_duplicate_left_out_or_quarantined(
    pipeline: Pipeline, warehouse: Any
) -> None:
    lines = [event("2018-11-01", itemInSession=item) for item in range(200)]
    lines += [lines[7], lines[8], event("2018-11-01", sessionId=1, page="Home")]
    body = as_file(lines) + b'{"page": "NextSong", "ts"'
    pipeline.put_day("2018-11-01", body)
    pipeline.day("2018-11-01")
    cursor = warehouse.cursor()
    cursor.execute("select lines, loaded, quarantined from staged_files")
    assert list(map(list, cursor.fetchall())) == [[204, 203, 1]]
    cursor.execute("select count(*) from songplays")
    assert cursor.fetchone()[0] == 200
    cursor.execute("select source_line, reason from quarantine")
    assert list(map(list, cursor.fetchall())) == [[204, "json"]]


def as_file(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def as_files(events: dict[str, list[dict[str, Any]]]) -> dict[str, bytes]:
    return {day: as_file(lines) for day, lines in events.items()}
