"""The contract of each source: what comes from it, and what a contract may not say."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from sparkify import contract, sources
from sparkify.contract import Contract
from sparkify.errors import UsageError
from sparkify.lines import Block
from sparkify.rows import Parsed, Parser
from sparkify.sources import Source
from sql import render
from tests.lines import EVENT, SONG
from tests.worker.staging import DAY

SQL = render.ROOT / "sql"
GOOD = {"events": EVENT, "songs": SONG}


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    """A copy of sql/ whose contracts may be changed."""
    return Path(shutil.copytree(SQL, tmp_path / "sql"))


def changed(sql: Path, before: str, after: str, source: str = "events") -> Contract:
    """The contract of a copy of sql/ in which a piece of text is replaced."""
    path = sql / "staging" / source / "contract.toml"
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    return contract.read(sql, source)


def parsed(source: Source, *lines: str) -> Parsed:
    block = Block.of("\n".join(lines).encode())
    return Parser(source.contract, source.rules).parse(block, ("f",), 1)


def source_named(name: str, sql: Path) -> Source:
    return sources.events(sql, date.fromisoformat(DAY)) if name == "events" else sources.songs(sql)


def test_what_comes_from_the_contracts_is_as_make_contract_writes_it() -> None:
    for path, text in render.rendered(render.ROOT).items():
        assert path.read_text() == text, f"{path} is not as its contract says: make contract"


def test_the_fields_stand_in_the_order_in_which_the_source_writes_them() -> None:
    for name, good in GOOD.items():
        assert list(contract.read(SQL, name).fields) == list(good)


@pytest.mark.parametrize("name", GOOD)
def test_a_value_of_the_other_type_that_a_field_takes_is_made_its_own(name: str) -> None:
    source = source_named(name, SQL)
    for position, (field, each) in enumerate(source.contract.fields.items()):
        if each.also is None:
            continue
        value, made = (7, "7") if each.also == "integer" else (1540344794796.0, 1540344794796)
        found = parsed(source, json.dumps({**GOOD[name], field: value}))
        row = json.loads(b"".join(found.rows))[position]
        assert (row, type(row)) == (made, type(made)), field


ADDED = """
[fields.device]
type = "varchar(64)"
added = 2026-12-01
meaning = "the device"
"""


def test_a_field_that_is_added_changes_the_content_hash_only_of_lines_that_have_it(sql: Path) -> None:
    lines = [
        json.dumps(EVENT),
        json.dumps({**EVENT, "device": "radio"}),
        json.dumps({**EVENT, "userId": None}),
    ]
    before = [
        json.loads(row) for row in b"".join(parsed(source_named("events", SQL), *lines[:1]).rows).splitlines()
    ]
    path = sql / "staging" / "events" / "contract.toml"
    path.write_text(path.read_text() + ADDED + ADDED.replace("device", "color"))
    found = b"".join(
        parsed(source_named("events", sql), *lines, json.dumps({**EVENT, "color": "radio"})).rows
    )
    hashes = [json.loads(row)[-2] for row in found.splitlines()]
    assert hashes[0] == before[0][-2]
    assert len(set(hashes)) == 3
    assert [json.loads(row)[18:20] for row in found.splitlines()] == [
        [None, None],
        ["radio", None],
        [None, "radio"],
    ]


WRONG = {
    'type = "varchar(2048)"': ('type = "text"', "userAgent: type 'text' is none of varchar(n), integer"),
    'column = "user_agent"': ('column = "User-Agent"', "userAgent: 'User-Agent' is no name of a column"),
    'column = "session_id"': ('column = "song"', "two fields have the same column"),
    'also = "float"': ('also = "integer"', "registration: also 'integer' does not go with bigint"),
    'action = "warn"': ('action = "wran"', "Invalid enum value 'wran' - at `$.unknown.action`"),
    'meaning = "the session"': ('meaning = "the session"\nwidth = 4', "unknown field `width`"),
    'meaning = "the title of the song that was played"': (
        'added = 2026-12-01\nmeaning = "the title"',
        "status: a field that was added comes last: older lines keep their content hash",
    ),
    'meaning = "the page; a play\'s is NextSong; not blank"': (
        'missing = "warn"\nmeaning = "the page"',
        "page: a required field must be quarantine or fail in all that it may be",
    ),
    'meaning = "the user\'s browser"': (
        'maximum = 7\nmeaning = "it"',
        "userAgent: minimum and maximum are for",
    ),
}


@pytest.mark.parametrize("before", WRONG)
def test_a_contract_that_is_wrong_is_refused_by_name(sql: Path, before: str) -> None:
    after, said = WRONG[before]
    with pytest.raises(UsageError) as refused:
        changed(sql, before, after)
    assert said in str(refused.value)
    assert str(sql / "staging" / "events" / "contract.toml") in str(refused.value)


def test_a_field_that_is_added_cannot_be_required(sql: Path) -> None:
    path = sql / "staging" / "events" / "contract.toml"
    path.write_text(path.read_text() + ADDED + "required = true\n")
    with pytest.raises(UsageError, match="device: a field that was added cannot be required"):
        contract.read(sql, "events")
