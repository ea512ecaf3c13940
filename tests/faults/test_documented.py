"""docs/reliability.md names tests that are there, and what it rules out by how the SQL is written is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SQL = sorted((ROOT / "sql").rglob("*.sql"))
_COMMENT = re.compile(r"--[^\n]*")


def test_every_test_that_is_named_is_there() -> None:
    table = (ROOT / "docs/reliability.md").read_text().partition("## What others suffered")[2]
    rows = re.findall(r"^\| .* \|$", table, re.M)[2:]
    named = [re.findall(r"`(tests/\S+\.py)::(test_\w+)`", row) for row in rows]
    assert len(rows) > 20
    assert [row for row, tests in zip(rows, named, strict=True) if not tests] == []
    missing = [
        f"{file}::{name}"
        for tests in named
        for file, name in tests
        if not re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.M)
    ]
    assert missing == []


@pytest.mark.parametrize("kind", [r"\bnumeric\b", r"\bdecimal\b"])
def test_no_column_is_a_numeric(kind: str) -> None:
    tables = [path for path in SQL if path.stem == "create"]
    assert len(tables) > 20
    found = [path for path in tables if re.search(kind, _COMMENT.sub("", path.read_text()), re.IGNORECASE)]
    assert found == []


def test_each_insert_names_its_columns_and_nothing_is_merged() -> None:
    texts = [_COMMENT.sub("", path.read_text()) for path in SQL]
    inserts = [match for text in texts for match in re.findall(r"\binsert into \S+ ?.?", text, re.IGNORECASE)]
    assert len(inserts) > 20
    assert [match for match in inserts if not match.endswith(" (")] == []
    assert [text for text in texts if re.search(r"\bmerge\b", text, re.IGNORECASE)] == []


def test_a_file_holds_one_statement() -> None:
    """The driver takes one at a time. A semicolon ends it, if there is one."""
    texts = {path: re.sub(r"'[^']*'", "", _COMMENT.sub("", path.read_text())) for path in SQL}
    assert [path for path, text in texts.items() if ";" in text.strip().removesuffix(";")] == []
