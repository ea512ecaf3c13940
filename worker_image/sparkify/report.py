"""Data for standard output: plain tables that people read and other commands cut."""

import json
import shlex
from collections.abc import Callable, Sequence

# Not printable by themselves, but part of how words and emoji are written.
_JOINERS = "\u200c\u200d"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows as lines of aligned columns under their names; an absent value is a hyphen."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def record(columns: Sequence[str], row: Sequence[object]) -> str:
    """One row as lines of a column's name and its value."""
    width = max(map(len, columns))
    return "\n".join(f"{name.ljust(width)}  {_cell(value)}" for name, value in zip(columns, row, strict=True))


def visible(text: str) -> str:
    """The text on one line, with escapes for what a terminal would obey or hide."""
    return _escaped(text, lambda each: ascii(each)[1:-1])


def as_json(value: object) -> str:
    """The value as JSON on one line, as visible as that; what JSON does not know is its text."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return _escaped(text, lambda each: json.dumps(each)[1:-1])


def word(text: str) -> str:
    """The text as one word of a command that is pasted into a shell, as visible as that."""
    if visible(text) == text:
        return shlex.quote(text)
    # The quotes of bash and zsh in which such an escape is the character that it names.
    quoted = text.replace("\\", r"\\").replace("'", r"\'")
    return "$'" + _escaped(quoted, lambda each: rf"\U{ord(each):08x}") + "'"


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    return "".join(each if each.isprintable() or each in _JOINERS else escape(each) for each in text)


def _cell(value: object) -> str:
    return "-" if value is None else visible(str(value))
