"""What is staged: a day's events, or all songs."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sparkify import contract
from sparkify.contract import Contract
from sparkify.events import EventRules
from sparkify.rows import Rules
from sparkify.songs import SongRules

# The columns of staging after the file's lineage.
_LAST = ("source_line", "content_hash", "rescued_data")


@dataclass(frozen=True)
class Source:
    """What is particular to staging events or songs."""

    name: str
    day: date | None
    contract: Contract
    rules: Rules

    @property
    def place(self) -> str:
        """Where its objects lie below SPARKIFY_STAGING and its quarantine/."""
        return f"{self.name}/{self.day or 'all'}/"

    def lineage(self, file: str) -> tuple[str, ...]:
        return (str(self.day), file) if self.day else (file,)

    @property
    def width(self) -> int:
        """The elements of a row's array (sparkify.rows), which are in the order of the COPY's columns."""
        return len(self.contract.fields) + len(self.lineage("")) + len(_LAST)


def events(sql: Path, day: date) -> Source:
    read = contract.read(sql, "events")
    return Source("events", day, read, EventRules(read, day))


def songs(sql: Path) -> Source:
    return Source("songs", None, contract.read(sql, "songs"), SongRules())
