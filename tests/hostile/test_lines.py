"""Whatever a line holds, it is loaded unchanged to the byte, or kept to the byte in the quarantine."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.hostile import corpus
from tests.hostile.corpus import Case
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, raw_lines, rows

SONG_FILE = "song_data/A/B/C/hostile.json"
ALL_MAY_BE_BAD = {"SPARKIFY_MAX_BAD_RATIO": "1"}

PLAY = (
    "session_id, item_in_session, title, artist_name, location, user_agent, first_name, last_name, gender, "
    "level, user_id, duration, start_time, source_line"
)


def play(line: bytes, number: int) -> list[object]:
    """The row of songplays that a good line is: what Python's own parser makes of it.

    A field that may be missing is then null.
    """
    said = json.loads(line)
    names = (
        *("sessionId", "itemInSession", "song", "artist", "location", "userAgent"),
        *("firstName", "lastName", "gender", "level"),
    )
    moment = datetime.fromtimestamp(0, UTC).replace(tzinfo=None) + timedelta(milliseconds=said["ts"])
    length = said.get("length")
    return [
        *(in_bytes(said.get(name)) for name in names),
        in_bytes(str(said["userId"])),
        None if length is None else float(length),
        moment,
        number,
    ]


def in_bytes(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def loaded(connection: Any, query: str) -> list[list[object]]:
    return [[in_bytes(value) for value in row] for row in rows(connection, query)]


def kept(pipeline: Pipeline, connection: Any) -> list[tuple[int, str, bytes]]:
    """Line, reason and bytes of what is in the quarantine."""
    found = rows(connection, "select source_line, reason from quarantine order by source_file, source_line")
    return [
        (number, reason, raw)
        for (number, reason), raw in zip(found, raw_lines(pipeline, connection), strict=True)
    ]


def named(cases: Sequence[Case], numbers: Sequence[Any]) -> list[str]:
    return [cases[int(number) - 1].name for number in numbers]


def test_every_line_of_the_corpus_is_played_unchanged_or_kept_with_its_reason(
    pipeline: Pipeline, warehouse: Any
) -> None:
    cases = list(corpus.events())
    lines = [case.numbered(number) for number, case in enumerate(cases, 1)]
    pipeline.put_day(DAY, b"\n".join(lines))
    pipeline.day(DAY, **ALL_MAY_BE_BAD)

    bad = {number: case for number, case in enumerate(cases, 1) if case.reason}
    found = kept(pipeline, warehouse)
    reasons = {cases[number - 1].name: reason for number, reason, _ in found}
    assert reasons == {case.name: case.reason for case in bad.values()}
    assert found == [(number, case.reason, lines[number - 1]) for number, case in bad.items()]

    plays = loaded(warehouse, f"select {PLAY} from songplays order by source_line")
    expected = [play(lines[number - 1], number) for number in range(1, len(cases) + 1) if number not in bad]
    for row, wanted in zip(plays, expected, strict=True):
        assert row == wanted, cases[int(str(row[-1])) - 1].name
    assert rows(warehouse, "select lines, loaded, quarantined, blank from staged_files") == [
        [len(cases), len(expected), len(bad), 0]
    ]


def test_every_song_of_the_corpus_is_in_the_star_unchanged_or_kept_with_its_reason(
    pipeline: Pipeline, warehouse: Any
) -> None:
    cases = list(corpus.songs())
    lines = [case.numbered(number) for number, case in enumerate(cases, 1)]
    pipeline.put(SONG_FILE, b"\n".join(lines))
    # The star is loaded for a day.
    pipeline.put_day(DAY, corpus.event(sessionId=1))
    pipeline.day(DAY, **ALL_MAY_BE_BAD)

    expected = [
        (number, case.reason, lines[number - 1]) for number, case in enumerate(cases, 1) if case.reason
    ]
    found = kept(pipeline, warehouse)
    assert [each[:2] for each in found] == [each[:2] for each in expected], named(
        cases, [number for number, _, _ in {*found} ^ {*expected}]
    )
    assert found == expected

    good = [
        (number, json.loads(lines[number - 1])) for number, case in enumerate(cases, 1) if not case.reason
    ]
    songs = loaded(
        warehouse, "select song_id, title, artist_name, duration, year, source_line from songs order by 6"
    )
    for row, (number, said) in zip(songs, good, strict=True):
        wanted = [said["song_id"], said["title"], said["artist_name"], float(said["duration"]), said["year"]]
        assert row == [*map(in_bytes, wanted), number], cases[number - 1].name
    artists = loaded(
        warehouse,
        "select artist_id, name, location, latitude, longitude, source_line from artists order by 6",
    )
    for row, (number, said) in zip(artists, good, strict=True):
        place = [float(said["artist_latitude"]), float(said["artist_longitude"])]
        texts = [said["artist_id"], said["artist_name"], said["artist_location"]]
        assert row == [*map(in_bytes, texts), *place, number], cases[number - 1].name
