"""What is staged: a day's events, or all songs."""

from dataclasses import dataclass
from datetime import date

from sparkify.events import EventRules
from sparkify.rows import Rules
from sparkify.songs import SongRules


@dataclass(frozen=True)
class Source:
    """What is particular to staging events or songs."""

    name: str
    day: date | None
    rules: Rules
    columns: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where its objects lie below SPARKIFY_STAGING and its quarantine/."""
        return f"{self.name}/{self.day or 'all'}/"

    def lineage(self, file: str) -> tuple[str, ...]:
        return (str(self.day), file) if self.day else (file,)

    def positions(self) -> list[int]:
        """Of each column of its COPY, the position in a row's array (sparkify.rows)."""
        fields = [*self.rules.record.__struct_fields__, *(("day",) if self.day else ())]
        fields += ["source_file", "source_line", "content_hash"]
        return [fields.index(name) for name in self.columns]


def events(day: date) -> Source:
    # The order of sql/staging/events/copy.sql, in the source's names.
    columns = (
        "day sessionId itemInSession ts page userId firstName lastName gender level auth artist song length "
        "location method registration status userAgent source_file source_line content_hash"
    )
    return Source("events", day, EventRules(day), tuple(columns.split()))


def songs() -> Source:
    # The order of sql/staging/songs/copy.sql.
    columns = (
        "source_file source_line song_id title artist_id artist_name artist_location artist_latitude "
        "artist_longitude duration year num_songs content_hash"
    )
    return Source("songs", None, SongRules(), tuple(columns.split()))
