"""Lines that nobody thought of: made up by hypothesis, staged and loaded a file at a time.

HOSTILE_EXAMPLES is how many files; one that fails is made smaller until it is the least that does.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.test_lines import ALL_MAY_BE_BAD, PLAY, kept, loaded, play, said, staged
from tests.lines import EVENT
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, MIDNIGHT

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "3"))
GOOD, BAD, EITHER = "good", "bad", "either"
Line = tuple[bytes, str]

# Every character that UTF-8 and PostgreSQL's text can hold.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = {"song": 1024, "artist": 1024, "location": 1024, "userAgent": 2048, "firstName": 256, "lastName": 256}
NUMBERS = {
    "length": st.floats(0, allow_nan=False, allow_infinity=False),
    "itemInSession": st.integers(0, 2**31 - 1),
    "status": st.none() | st.integers(0, 2**31 - 1),
    "ts": st.integers(MIDNIGHT, MIDNIGHT + 86_399_999),
    "registration": st.none() | st.integers(0, 2**53),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(LETTERS, max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
UNKNOWN = st.dictionaries(
    st.text(LETTERS, max_size=8).filter(lambda name: name not in EVENT), JSON, max_size=2
)


def text_of(limit: int) -> st.SearchStrategy[str]:
    texts = st.text(LETTERS, max_size=limit // 16) | st.text(LETTERS, min_size=1, max_size=9).map(
        lambda text: text * (limit // len(text.encode()))
    )
    return texts.filter(lambda text: len(text.encode()) <= limit)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """An event as the contract has it, with texts and numbers of all kinds, and with more fields."""
    changed: dict[str, Any] = {}
    for name in draw(st.sets(st.sampled_from([*TEXTS, *NUMBERS]), max_size=4)):
        changed[name] = draw(text_of(TEXTS[name]) if name in TEXTS else NUMBERS[name])
    return {**EVENT, **changed, **draw(UNKNOWN)}


@st.composite
def written(draw: st.DrawFn, event: dict[str, Any]) -> bytes:
    """One of the ways to write an object as JSON in a line."""
    pairs = draw(st.permutations(list(event.items())))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\t ")]))
    return json.dumps(dict(pairs), ensure_ascii=draw(st.booleans()), separators=separators).encode()


def cut(draw: st.DrawFn, line: bytes) -> bytes:
    return line[: draw(st.integers(1, len(line) - 1))]


def no_text(draw: st.DrawFn, line: bytes) -> bytes:
    """A byte that JSON's texts cannot have, in the middle of one."""
    byte = draw(st.sampled_from([b"\0", b"\x1f", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xff"]))
    return line.replace(b'"NextSong"', b'"Next' + byte + b'Song"')


def too_long(draw: st.DrawFn, line: bytes) -> bytes:
    letter = draw(LETTERS)
    longest = letter * (64 // len(letter.encode()) + 1)
    return line.replace(b'"NextSong"', json.dumps(longest).encode())


def no_number(draw: st.DrawFn, line: bytes) -> bytes:
    value = draw(st.sampled_from(["null", '"1"', "-1", "1.5", "[1]", "true", str(2**63), "1e999", "NaN"]))
    return line[:-1] + b', "sessionId": ' + value.encode() + b"}"


DAMAGES: list[Callable[[st.DrawFn, bytes], bytes]] = [cut, no_text, too_long, no_number]


@st.composite
def lines(draw: st.DrawFn) -> list[Line]:
    """The lines of a file, each with what must become of it; each good one has a session of its own."""
    made: list[Line] = []
    for number in range(1, draw(st.integers(1, 40)) + 1):
        kind = draw(st.sampled_from([GOOD, GOOD, BAD, EITHER]))
        line = draw(written({**draw(fields()), "sessionId": number}))
        if kind == BAD:
            line = draw(st.sampled_from(DAMAGES))(draw, line)
        elif kind == EITHER and draw(st.booleans()):
            line = draw(st.binary(max_size=60)).replace(b"\n", b"")
        elif kind == EITHER:
            start, end = sorted(draw(st.tuples(*[st.integers(0, len(line))] * 2)))
            line = line[:start] + draw(st.binary(max_size=4)).replace(b"\n", b"") + line[end:]
        made.append((line, kind))
    return made


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="HOSTILE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(lines())
def test_every_made_up_line_is_played_unchanged_or_kept_to_the_byte(
    pipeline: Pipeline, warehouse: Any, made: list[Line]
) -> None:
    bodies = [line for line, _ in made]
    pipeline.put_day(DAY, b"\n".join(bodies))
    pipeline.done("stage", "events", "--date", DAY, **ALL_MAY_BE_BAD)
    pipeline.done("load", "--date", DAY)

    in_staging = staged(warehouse, "staging_events", EVENT)
    bad = {number: raw for number, _, raw in kept(pipeline, warehouse)}
    for number, (line, kind) in enumerate(made, 1):
        places = [number in in_staging, number in bad, not line.strip(b" \t\r")]
        assert sum(places) == 1, (number, line, places)
        assert kind == EITHER or places[0] == (kind == GOOD), (number, line, kind)
    assert bad == {number: bodies[number - 1] for number in bad}
    for number, row in in_staging.items():
        assert row == said(bodies[number - 1], EVENT), bodies[number - 1]

    plays = {number: row for *row, number in loaded(warehouse, f"select {PLAY} from songplays")}
    page = list(EVENT).index("page")
    assert sorted(plays) == sorted(number for number, row in in_staging.items() if row[page] == "NextSong")
    for number, row in plays.items():
        assert [*row, number] == play(bodies[number - 1], number), bodies[number - 1]
