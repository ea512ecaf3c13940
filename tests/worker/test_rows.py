"""The quick way through the parser and the slow one give the same rows and find the same faults."""

import json
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkify import sources
from sparkify.lines import Block
from sparkify.rows import Parsed, Parser
from sparkify.sources import Source
from tests.lines import EVENT, SONG
from tests.worker.staging import DAY, FILE, MIDNIGHT

SQL = Path(__file__).parents[2] / "sql"
EVENTS = sources.events(SQL, date.fromisoformat(DAY))
SONGS = sources.songs(SQL)

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "\0", "NextSong", "Home", "x" * 16, "é" * 9, "é" * 512, "雨" * 683, "\\u0000"]),
)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(
        [0, -1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 1.0, 1.5, 1540344794796.0, 90.0, 1e308]
    ),
    st.integers(MIDNIGHT - 90_000_000, MIDNIGHT + 180_000_000),
)
VALUES = st.one_of(st.none(), st.booleans(), TEXTS, NUMBERS, st.lists(st.integers(), max_size=2))


@st.composite
def lines(draw: st.DrawFn, good: dict[str, object]) -> bytes:
    """A good line with some fields changed, left out, added or twice; or two in one; or one in two; or no
    JSON at all."""
    kind = draw(st.sampled_from(["good"] * 6 + ["binary", "blank", "two in one", "one in two"]))
    if kind == "binary":
        return draw(st.binary(max_size=40)).replace(b"\n", b"")
    if kind == "blank":
        return draw(st.sampled_from([b"", b"\r", b" \t"]))
    names = st.sampled_from([*good, "unknown"])
    fields = list({**good, **draw(st.dictionaries(names, VALUES, max_size=2))}.items())
    for name in draw(st.sets(names, max_size=1)):
        fields = [field for field in fields if field[0] != name]
    fields += draw(st.lists(st.tuples(names, VALUES), max_size=1))
    escaped = draw(st.booleans())
    pairs = (",\n" if kind == "one in two" else ", ").join(
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=escaped)}" for name, value in fields
    )
    line = f"{{{pairs}}}".encode("utf-8", "surrogatepass")
    return line + line if kind == "two in one" else line


def parsed(source: Source, block: bytes, first_line: int = 1, slowly: bool = False) -> Parsed:
    parser = Parser(source.contract, source.rules)
    if slowly:

        def refuse(line: Any) -> Any:
            raise msgspec.ValidationError

        parser._strict = parser._strict_lines = refuse
    return parser.parse(Block.of(block), (DAY, FILE), first_line)


def assert_same(source: Source, block: list[bytes]) -> None:
    lines = BytesIO(b"\n".join(block)).readlines()
    together = parsed(source, b"".join(lines))
    slowly = parsed(source, b"".join(lines), slowly=True)
    apart = [parsed(source, line, number) for number, line in enumerate(lines, 1)]
    assert b"".join(together.rows) == b"".join(slowly.rows) == b"".join(b"".join(one.rows) for one in apart)
    assert sorted(together.bad) == sorted(slowly.bad) == sorted(bad for one in apart for bad in one.bad)
    assert together.lines == slowly.lines == sum(one.lines for one in apart)
    assert together.loaded == sum(one.loaded for one in apart) == b"".join(together.rows).count(b"\n")
    assert together.loaded + len(together.bad) + together.blank == together.lines


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(lines(EVENT), min_size=1, max_size=6))
def test_events_come_out_the_same_quickly_slowly_together_and_apart(block: list[bytes]) -> None:
    assert_same(EVENTS, block)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(lines(SONG), min_size=1, max_size=4))
def test_songs_come_out_the_same_quickly_slowly_together_and_apart(block: list[bytes]) -> None:
    assert_same(SONGS, block)


def test_lines_of_two_objects_are_bad_also_where_blank_ones_make_up_for_their_number() -> None:
    good = json.dumps(EVENT).encode()
    for block, bad, numbers in [
        ([good + good, good], [1], [2]),
        ([good + good, b"", good], [1], [3]),
        ([good, b" ", good + b" " + good, good], [3], [1, 4]),
        ([b" " + good + good, b"", good], [1], [3]),
    ]:
        found = parsed(EVENTS, b"\n".join(block))
        assert [(each.line, each.problem.reason) for each in found.bad] == [(line, "json") for line in bad]
        rows = [json.loads(row) for row in b"".join(found.rows).splitlines()]
        assert [row[len(EVENTS.contract.fields) + 2] for row in rows] == numbers


def test_a_deeply_nested_line_is_a_bad_line() -> None:
    deep = json.dumps(EVENT)[:-1].encode() + b', "unknown": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    found = parsed(EVENTS, deep + b"\n" + json.dumps(EVENT).encode())
    assert [(bad.line, bad.problem.reason) for bad in found.bad] == [(1, "json")]
    assert found.loaded == 1
