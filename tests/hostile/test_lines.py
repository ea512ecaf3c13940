"""Whatever a line holds, it is loaded unchanged to the byte, or kept to the byte in the quarantine."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from tests.hostile import corpus
from tests.hostile.corpus import Case
from tests.lines import EVENT, SONG
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, raw_lines, rows

SONG_FILE = "song_data/A/B/C/hostile.json"
ALL_MAY_BE_BAD = {"SPARKIFY_MAX_BAD_RATIO": "1"}

PLAY = (
    "session_id, item_in_session, title, artist_name, location, user_agent, first_name, last_name, gender, "
    "level, user_id, duration, start_time, source_line"
)


# The columns of staging that have other names than their fields.
COLUMNS = {
    "firstName": "first_name",
    "itemInSession": "item_in_session",
    "lastName": "last_name",
    "sessionId": "session_id",
    "userAgent": "user_agent",
    "userId": "user_id",
}
DOUBLES = ("length", "artist_latitude", "artist_longitude", "duration")
BLANKS = " \t\r\n\v\f"


def staged(connection: Any, table: str, fields: dict[str, Any]) -> dict[int, list[object]]:
    """Of each row the columns of the fields and what it has of other fields, by its line."""
    columns = ", ".join(COLUMNS.get(name, name) for name in fields)
    found = rows(connection, f"select {columns}, json_serialize(rescued_data), source_line from {table}")
    return {number: [*values, exactly(rescued or "{}")] for *values, rescued, number in found}


def said(line: bytes, fields: dict[str, Any]) -> list[object]:
    """The same of a good line: what Python's own parser makes of it."""
    values = json.loads(line)
    others = {name: value for name, value in exactly(line).items() if name not in fields}
    return [*(column(name, values.get(name)) for name in fields), others]


def column(name: str, value: Any) -> object:
    """What a field's column has for a value."""
    if value is None:
        return None
    if name == "ts":
        return moment(value)
    if name in DOUBLES:
        return float(value)
    if name == "registration":
        return int(value)
    if name == "year":
        return value or None
    if name in ("userId", "artist_location"):
        return str(value) if str(value).strip(BLANKS) else None
    return value


def exactly(text: str | bytes) -> Any:
    """An object whose numbers keep their digits, and are neither true nor false."""
    return json.loads(text, parse_float=digits, parse_int=digits)


def digits(text: str) -> tuple[str, Decimal]:
    return ("number", Decimal(text))


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC).replace(tzinfo=None) + timedelta(milliseconds=milliseconds)


def play(line: bytes, number: int) -> list[object]:
    """The row of songplays that a good line is: what Python's own parser makes of it.

    A field that may be missing is then null.
    """
    values = json.loads(line)
    names = (
        *("sessionId", "itemInSession", "song", "artist", "location", "userAgent"),
        *("firstName", "lastName", "gender", "level"),
    )
    length = values.get("length")
    return [
        *(in_bytes(values.get(name)) for name in names),
        in_bytes(str(values["userId"])),
        None if length is None else float(length),
        moment(values["ts"]),
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

    good = [number for number in range(1, len(cases) + 1) if number not in bad]
    in_staging = staged(warehouse, "staging_events", EVENT)
    assert sorted(in_staging) == good
    for number in good:
        assert in_staging[number] == said(lines[number - 1], EVENT), cases[number - 1].name

    plays = loaded(warehouse, f"select {PLAY} from songplays order by source_line")
    expected = [play(lines[number - 1], number) for number in good]
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
    in_staging = staged(warehouse, "staging_songs", SONG)
    assert sorted(in_staging) == [number for number, _ in good]
    for number, _ in good:
        assert in_staging[number] == said(lines[number - 1], SONG), cases[number - 1].name

    songs = loaded(
        warehouse, "select song_id, title, artist_name, duration, year, source_line from songs order by 6"
    )
    for row, (number, song) in zip(songs, good, strict=True):
        wanted = [song["song_id"], song["title"], song["artist_name"], float(song["duration"]), song["year"]]
        assert row == [*map(in_bytes, wanted), number], cases[number - 1].name
    artists = loaded(
        warehouse,
        "select artist_id, name, location, latitude, longitude, source_line from artists order by 6",
    )
    for row, (number, song) in zip(artists, good, strict=True):
        place = [float(song["artist_latitude"]), float(song["artist_longitude"])]
        texts = [song["artist_id"], song["artist_name"], song["artist_location"]]
        assert row == [*map(in_bytes, texts), *place, number], cases[number - 1].name


def test_every_character_of_unicode_is_played_unchanged_as_it_is_and_escaped(
    pipeline: Pipeline, warehouse: Any
) -> None:
    texts = [""]
    for code in chain(range(1, 0xD800), range(0xE000, 0x110000)):
        if len(texts[-1].encode()) + len(chr(code).encode()) > 1024:
            texts.append("")
        texts[-1] += chr(code)
    lines = [
        corpus.event({"artist": json.dumps(text)}, song=text, sessionId=number)
        for number, text in enumerate(texts, 1)
    ]
    pipeline.put_day(DAY, b"\n".join(lines))
    pipeline.done("stage", "events", "--date", DAY)
    pipeline.done("load", "--date", DAY)
    plays = loaded(warehouse, "select title, artist_name from songplays order by session_id")
    for row, text in zip(plays, texts, strict=True):
        assert row == [text.encode()] * 2
