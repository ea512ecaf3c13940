"""Finds the SQL files: a table is a folder, a statement is a file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

# Text that is not code (comments, strings) is matched first, so that a colon in it is no parameter.
_TOKENS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|(?<![:\w]):([a-z_][a-z0-9_]*)", re.DOTALL)

# A column's name and definition, on a line of a create.sql; a line may also be a key of the table.
_DEFINED = re.compile(r'^    (?!primary key|unique|foreign key)("?\w+"?) (.+?),?$', re.MULTILINE)


@dataclass(frozen=True)
class Statement:
    """One SQL statement; `name` is its path below sql/ without the ending, `parameters` its `:names`."""

    name: str
    text: str

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(name for name in _TOKENS.findall(self.text) if name)

    @property
    def copied_columns(self) -> list[str]:
        """The columns that a COPY names."""
        match = re.search(r"^copy \w+ \(([^)]*)\)", self.text, re.MULTILINE)
        names = re.sub(r"--[^\n]*", "", match[1]) if match else ""
        return [name.strip() for name in names.split(",") if name.strip()]

    @property
    def defined_columns(self) -> list[tuple[str, str]]:
        """Name and definition of each column that a CREATE TABLE makes."""
        block = self.text.partition("(\n")[2].partition("\n)")[0]
        return _DEFINED.findall(block)

    def of_rows(self, count: int) -> "Statement":
        """An INSERT of one row, as one of so many: the parameters of the first are `:name_1`."""
        head, values, row = self.text.rpartition("values ")

        def numbered(number: int) -> str:
            return _TOKENS.sub(lambda token: f":{token[1]}_{number}" if token[1] else token[0], row)

        return Statement(self.name, head + values + ",\n".join(map(numbered, range(1, count + 1))))

    def with_literals(self, literals: Mapping[str, str]) -> str:
        """The text with each parameter replaced by SQL text, such as `literal` gives.

        For COPY, a utility statement that takes no bind parameters, and for the checks of a step: the driver
        looks for parameters one character at a time, and their text is long.
        """
        return _TOKENS.sub(lambda token: literals[token[1]] if token[1] else token[0], self.text)


def statement(sql: Path, name: str) -> Statement:
    """The statement of sql/<name>.sql."""
    return Statement(name, (sql / f"{name}.sql").read_text(encoding="utf-8").rstrip().rstrip(";"))


def statements(sql: Path, pattern: str) -> Iterator[Statement]:
    """The statements whose path below sql/ matches the pattern, in the order of their names."""
    for path in sorted(sql.glob(pattern)):
        yield statement(sql, str(path.relative_to(sql).with_suffix("")))


def literal(value: object) -> str:
    """A value of the kinds that parameters have as a SQL literal of the type that binding it would give.

    Raises:
        ValueError: a backslash, which Redshift and PostgreSQL read differently.
        TypeError: a value of another kind.
    """
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f"timestamp '{value}'"
    if isinstance(value, date):
        return f"date '{value}'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"cast({value} as double precision)"
    if not isinstance(value, str):
        raise TypeError(f"no literal of a {type(value).__name__}")
    if "\\" in value:
        raise ValueError(f"a backslash in {value!r}")
    return "'" + value.replace("'", "''") + "'"
