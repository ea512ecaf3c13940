"""`sparkify stage events`: what becomes of each line of a day's file."""

import datetime
import json
from typing import Any

from tests.star.conftest import Pipeline
from tests.worker.staging import (
    DAY,
    FILE,
    MIDNIGHT,
    line,
    quarantine,
    raw_lines,
    rows,
    stage,
    staging_keys,
)

HOUR = 3_600_000


def test_an_event_is_staged_with_every_field_its_file_and_its_line(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    assert rows(warehouse, "select * from staging_events") == [
        [
            datetime.date(2018, 11, 1),
            "Des'ree",
            "Logged In",
            "Kaylee",
            "F",
            1,
            "Summers",
            246.30812,
            "free",
            "Phoenix-Mesa-Scottsdale, AZ",
            "PUT",
            "NextSong",
            1540344794796,
            139,
            "You Gotta Be",
            200,
            datetime.datetime(2018, 11, 1, 21, 1, 46, 796000),
            '"Mozilla/5.0 (Windows NT 6.1; WOW64)"',
            "8",
            FILE,
            1,
            "3ad657be6a4cc69ec7ab675c7fb3530b",
            None,
        ]
    ]
    assert rows(
        warehouse, "select source, day, source_file, size, lines, loaded, quarantined from staged_files"
    ) == [["events", datetime.date(2018, 11, 1), FILE, len(line()) + 1, 1, 1, 0]]


def test_objects_with_other_names_are_left_out_and_reported(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    pipeline.put_day("2018-11-02", "not asked for")
    for stray in (".DS_Store", f"{DAY}-events.json.bak", f".ipynb_checkpoints/{DAY}-events.json"):
        pipeline.put(f"log_data/2018/11/{stray}", line(sessionId=7) + "\n")
    ended = stage(pipeline)
    assert ended.code == 0
    assert rows(warehouse, "select session_id, source_file from staging_events") == [[139, FILE]]
    assert "left out objects whose names are not a source file's" in ended.log
    assert "objects=3" in ended.log
    assert ".ipynb_checkpoints" in ended.log


def test_an_empty_file_is_a_day_without_events(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    pipeline.put_day(DAY, "")
    assert stage(pipeline).code == 0
    assert rows(warehouse, "select * from staging_events") == []
    assert rows(warehouse, "select source_file, size, lines from staged_files") == [[FILE, 0, 0]]


def test_a_missing_day_fails_and_may_be_retried(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    pipeline.remove(FILE)
    ended = stage(pipeline)
    assert ended.code == 75
    assert f"{DAY} has no object: looked for s3://{pipeline.bucket}/{FILE}" in ended.log
    assert rows(warehouse, "select count(*) from staging_events") == [[1]]


def test_a_missing_day_that_means_no_events_takes_out_what_was_staged(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line() + "\nbad\n")
    assert stage(pipeline).code == 0
    before = rows(warehouse, "select version from staging_versions")
    pipeline.remove(FILE)
    assert stage(pipeline, SPARKIFY_MISSING_DAY="empty").code == 0
    for table in ("staging_events", "staged_files", "quarantine"):
        assert rows(warehouse, f"select * from {table}") == []
    after = rows(warehouse, "select version from staging_versions")
    assert len(after) == 1
    assert after != before


def test_a_missing_day_that_means_no_events_is_nothing_to_do_when_nothing_is_staged(
    pipeline: Pipeline, warehouse: Any
) -> None:
    ended = stage(pipeline, SPARKIFY_MISSING_DAY="empty")
    assert ended.code == 99
    assert "nothing of it is staged" in ended.log
    assert rows(warehouse, "select * from staging_versions") == []


GOOD: dict[str, tuple[str, str, object]] = {
    "a blank userId becomes null": (line(page="Home", userId="", level=None), "user_id", None),
    "a userId of white space becomes null": (line(page="Home", userId=" \t"), "user_id", None),
    "a userId may be a number": (line(userId=8), "user_id", "8"),
    "a logged-out event stays": (
        line(page="Login", auth="Logged Out", userId="", registration=None, firstName=None, level="free"),
        "auth",
        "Logged Out",
    ),
    "registration may be an integer": (line(registration=1540344794796), "registration", 1540344794796),
    "registration may be null": (line(registration=None), "registration", None),
    "a missing optional field is null": (line(length=...), "length", None),
    "of a key that comes twice the last counts": (
        line()[:-1] + ', "level": "paid"}',
        "level",
        "paid",
    ),
    "a wrong value does not count when its key comes again": (
        '{"level": 5, ' + line(level=...)[1:-1] + ', "level": "paid"}',
        "level",
        "paid",
    ),
    "text keeps its characters": (line(song="Ünïcode 雨 😀"), "song", "Ünïcode 雨 😀"),
    "an escaped pair of surrogates is one character": (
        line(song=...)[:-1] + r', "song": "\ud83d\ude00"}',
        "song",
        "😀",
    ),
    "a text may be as long as its column in bytes": (line(artist="é" * 512), "artist", "é" * 512),
    "a whole number may be a length": (line(length=200), "length", 200.0),
    "the largest session": (line(sessionId=2**63 - 1), "session_id", 2**63 - 1),
    "a day late": (line(ts=MIDNIGHT + 48 * HOUR - 1), "day", datetime.date(2018, 11, 1)),
    "a day early": (line(ts=MIDNIGHT - 24 * HOUR), "day", datetime.date(2018, 11, 1)),
    "an empty text stays": (line(firstName=""), "first_name", ""),
}


def test_good_lines_are_staged_as_they_are_meant(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, "\n".join(text for text, _, _ in GOOD.values()))
    assert stage(pipeline).code == 0
    assert quarantine(warehouse) == []
    for number, (case, (_, column, value)) in enumerate(GOOD.items(), 1):
        found = rows(warehouse, f"select {column} from staging_events where source_line = {number}")
        assert found == [[value]], case


BAD: list[tuple[str | bytes, str, str]] = [
    ("{", "json", ""),
    ("[1]", "json", "not an object but list"),
    ('"text"', "json", "not an object but str"),
    (line() + line(), "json", ""),
    (line(length=...)[:-1] + ', "length": NaN}', "json", ""),
    (line(length=...)[:-1] + ', "length": Infinity}', "json", ""),
    (line(song=...)[:-1] + r', "song": "\ud83d"}', "json", ""),
    (line(song=...)[:-1] + r', "unknown": "\ud83d"}', "json", ""),
    (line().encode().replace(b"Kaylee", b"Kayl\xe9e"), "json", ""),
    (line(unknown="?").encode().replace(b"?", b"\xff"), "json", ""),
    (line(song="a\0b"), "type", "song holds a NUL character"),
    (line(sessionId="139"), "type", "sessionId: expected `int`, got `str`"),
    (line(itemInSession=1.5), "type", "itemInSession: expected `int`, got `float`"),
    (line(ts=True), "type", "ts: expected `int`, got `bool`"),
    (line(length="246.3"), "type", "length: expected `float`, got `str`"),
    (line(userId=8.0), "type", "userId: expected `int | str`, got `float`"),
    (line(song=7), "type", "song: expected `str`, got `int`"),
    (line(registration=1.5), "type", "registration: expected a whole number of milliseconds"),
    (line(status=-1), "type", "status: expected `int` >= 0"),
    (line(page=...), "required", "page is missing"),
    (line(page=None), "required", "page is null"),
    (line(page=""), "required", "page: expected `str` of length >= 1"),
    (line(page=" "), "required", "page is blank"),
    (line(sessionId=...), "required", "sessionId is missing"),
    (line(itemInSession=None), "required", "itemInSession is null"),
    (line(ts=...), "required", "ts is missing"),
    (line(userId=""), "required", "userId is blank, and the page is NextSong"),
    (line(level=None), "required", "level is blank, and the page is NextSong"),
    (line(status=2**31), "size", "status: expected `int` <= 2147483647"),
    (line(sessionId=2**63), "size", "sessionId: expected `int` <= 9223372036854775807"),
    (line(gender="x" * 17), "size", "gender: expected `str` of length <= 16"),
    (line(artist="é" * 513), "size", "artist has 1026 bytes, its column holds 1024"),
    (line(userAgent="雨" * 683), "size", "userAgent has 2049 bytes, its column holds 2048"),
    (line(userId=10**70), "size", "userId has 71 digits"),
    (line(ts=MIDNIGHT + 48 * HOUR), "time", f"ts 1541203200000 is more than 24 hours outside {DAY}"),
    (line(ts=MIDNIGHT - 24 * HOUR - 1), "time", f"ts 1540943999999 is more than 24 hours outside {DAY}"),
]


def test_each_bad_line_is_quarantined_with_its_reason_and_its_bytes(
    pipeline: Pipeline, warehouse: Any
) -> None:
    raw = [text if isinstance(text, bytes) else text.encode() for text, _, _ in BAD]
    good = line().encode()
    pipeline.put_day(DAY, b"".join(bad + b"\n" + good + b"\n" for bad in raw))
    assert stage(pipeline).code == 0
    found = quarantine(warehouse)
    expected = [[2 * number + 1, reason, detail] for number, (_, reason, detail) in enumerate(BAD)]
    # What is wrong with the JSON the library says in its own words.
    assert [[*row[:2], row[2] if wanted[2] else ""] for row, wanted in zip(found, expected, strict=True)] == (
        expected
    )
    assert all(detail for _, _, detail in found)
    assert raw_lines(pipeline, warehouse) == raw
    assert rows(warehouse, "select source_line from staging_events order by 1") == [
        [2 * number + 2] for number in range(len(BAD))
    ]
    assert rows(warehouse, "select lines, loaded, quarantined from staged_files") == [
        [2 * len(BAD), len(BAD), len(BAD)]
    ]


SIZES = {
    "artist": ("artist", 1024),
    "auth": ("auth", 64),
    "firstName": ("first_name", 256),
    "gender": ("gender", 16),
    "lastName": ("last_name", 256),
    "level": ("level", 16),
    "location": ("location", 1024),
    "method": ("method", 16),
    "page": ("page", 64),
    "song": ("song", 1024),
    "userAgent": ("user_agent", 2048),
    "userId": ("user_id", 64),
}


def test_a_text_fits_its_column_to_the_byte(pipeline: Pipeline, warehouse: Any) -> None:
    expected = {}
    lines = []
    for field, (column, size) in SIZES.items():
        for text in ("x" * size, "é" * (size // 2), "😀" * (size // 4)):
            lines += [line(**{field: text}), line(**{field: text + "x"})]
            expected[len(lines) - 1] = (field, column, text)
    pipeline.put_day(DAY, "\n".join(lines))
    assert stage(pipeline).code == 0
    for number, (_, column, text) in expected.items():
        assert rows(warehouse, f"select {column} from staging_events where source_line = {number}") == [
            [text]
        ]
    found = [
        (number, reason, detail.split(" ")[0].rstrip(":")) for number, reason, detail in quarantine(warehouse)
    ]
    assert found == [(number + 1, "size", field) for number, (field, _, _) in expected.items()]


def test_a_byte_order_mark_line_ends_of_windows_and_blank_lines_do_no_harm(
    pipeline: Pipeline, warehouse: Any
) -> None:
    text = "\ufeff" + "\r\n".join(
        [line(sessionId=1), "", "  \t", line(sessionId=4), "bad", line(sessionId=6)]
    )
    pipeline.put_day(DAY, text)
    assert stage(pipeline).code == 0
    assert rows(warehouse, "select session_id, source_line from staging_events order by 1") == [
        [1, 1],
        [4, 4],
        [6, 6],
    ]
    assert rows(warehouse, "select lines, loaded, quarantined, blank from staged_files") == [[6, 3, 1, 2]]
    assert raw_lines(pipeline, warehouse) == [b"bad\r"]


def test_half_a_line_at_the_end_is_a_bad_line_and_a_whole_one_without_newline_is_good(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line() + "\n" + line()[:100])
    assert stage(pipeline).code == 0
    assert [row[:2] for row in quarantine(warehouse)] == [[2, "json"]]
    pipeline.put_day(DAY, line() + "\n" + line(sessionId=2))
    assert stage(pipeline).code == 0
    assert quarantine(warehouse) == []
    assert rows(warehouse, "select source_line from staging_events order by 1") == [[1], [2]]


def test_a_line_too_long_for_copy_is_quarantined_whole_and_the_next_ones_keep_their_numbers(
    pipeline: Pipeline, warehouse: Any
) -> None:
    longest = 4 * 1024 * 1024
    held = line(unknown=["x" * 50_000] * 40)
    just_too_long = b"y" * (longest + 1)
    much_too_long = line(song="z" * 20_000_000).encode()
    body = [line(sessionId=1).encode(), much_too_long, held.encode(), just_too_long, b"w" * longest]
    pipeline.put_day(DAY, b"\n".join([*body, line(sessionId=6).encode(), b"v" * (longest + 2)]))
    assert stage(pipeline).code == 0
    assert rows(warehouse, "select session_id, source_line from staging_events order by 2") == [
        [1, 1],
        [139, 3],
        [6, 6],
    ]
    assert [row[:2] for row in quarantine(warehouse)] == [[2, "size"], [4, "size"], [5, "json"], [7, "size"]]
    assert quarantine(warehouse)[0][2] == f"the line has {len(much_too_long)} bytes, COPY reads {longest}"
    assert quarantine(warehouse)[1][2] == f"the line has {longest + 1} bytes, COPY reads {longest}"
    assert raw_lines(pipeline, warehouse) == [
        much_too_long,
        just_too_long,
        b"w" * longest,
        b"v" * (longest + 2),
    ]


def test_the_content_hash_is_that_of_what_a_line_says_and_not_of_how(
    pipeline: Pipeline, warehouse: Any
) -> None:
    event = json.loads(line())
    backwards = dict(reversed(event.items()))
    same = [
        line(),
        json.dumps(backwards, separators=(",", ":")),
        line(userId=8, registration=1540344794796, device="x"),
        line().replace("Kaylee", r"\u004baylee").replace("/", r"\/"),
    ]
    other = [line(userId="9"), line(ts=event["ts"] + 1), line(length=246.30813), line(song=None)]
    pipeline.put_day(DAY, "\n".join(same + other))
    assert stage(pipeline).code == 0
    hashes = [
        hash_ for (hash_,) in rows(warehouse, "select content_hash from staging_events order by source_line")
    ]
    assert len(set(hashes[: len(same)])) == 1
    assert len(set(hashes)) == 1 + len(other)
    # Stored hashes are compared with new ones for years: the rule may not change.
    assert hashes[0] == "3ad657be6a4cc69ec7ab675c7fb3530b"


def test_too_many_bad_lines_stop_the_stage_before_staging_is_touched(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    before = rows(warehouse, "select version from staging_versions")
    pipeline.put_day(DAY, "\n".join([line()] * 97 + ["bad", line(ts="x"), line(page=None)]))
    ended = stage(pipeline, SPARKIFY_MAX_BAD_RATIO="0.02")
    assert ended.code == 1
    message = ended.log.splitlines()[-1]
    assert "3 of 100 lines are bad (json 1, type 1, required 1)" in message
    assert f"{FILE}:98 json" in message
    assert f"{FILE}:99 type: ts: expected `int`, got `str`" in message
    assert "staging is as it was" in message
    assert rows(warehouse, "select count(*) from staging_events") == [[1]]
    assert rows(warehouse, "select version from staging_versions") == before
    kept = [key for key in staging_keys(pipeline) if key.startswith("quarantine/")]
    assert [key.split("/", 4)[-1] for key in kept if "raw" in key] == ["raw-00000"]
    assert kept[0].rsplit("/", 2)[0] in message
    assert not [key for key in staging_keys(pipeline) if "/rows/" in key]
    assert stage(pipeline, SPARKIFY_MAX_BAD_RATIO="0.03").code == 0
    assert len(quarantine(warehouse)) == 3


def test_unless_set_one_bad_line_of_a_hundred_is_let_pass_and_two_are_not(pipeline: Pipeline) -> None:
    assert "SPARKIFY_MAX_BAD_RATIO" not in pipeline.environment
    pipeline.put_day(DAY, "\n".join([line()] * 99 + ["bad"]))
    pipeline.done("stage", "events", "--date", DAY)
    pipeline.put_day(DAY, "\n".join([line()] * 98 + ["bad"] * 2))
    ended = pipeline.run("stage", "events", "--date", DAY)
    assert (ended.code, "more than SPARKIFY_MAX_BAD_RATIO=0.01 allows" in ended.log) == (1, True)


def test_staging_a_day_again_replaces_its_rows_its_ledger_and_its_quarantine(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, "bad\n" + line() + "\n")
    assert stage(pipeline).code == 0
    first = raw_objects(pipeline)
    pipeline.put_day(DAY, line(sessionId=1) + "\nworse\n")
    assert stage(pipeline).code == 0
    assert [row[:2] for row in quarantine(warehouse)] == [[2, "json"]]
    assert raw_lines(pipeline, warehouse) == [b"worse"]
    assert rows(warehouse, "select session_id from staging_events") == [[1]]
    assert rows(warehouse, "select loaded, quarantined from staged_files") == [[1, 1]]
    # Of the first there is nothing left, of the second its quarantine.
    assert len(raw_objects(pipeline)) == 1
    assert raw_objects(pipeline) != first
    assert all(key.startswith("quarantine/") for key in staging_keys(pipeline))


def raw_objects(pipeline: Pipeline) -> list[str]:
    return [key for key in staging_keys(pipeline) if "/raw-" in key]
