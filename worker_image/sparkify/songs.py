"""What a line of a song file must be beyond its contract (sql/staging/songs/contract.toml)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkify.rows import Problem, is_blank


@dataclass(frozen=True)
class SongRules:
    """The rules of songs: the year 0 and a blank location mean that nobody knows, and become null."""

    def suspects(self, records: Sequence[Any]) -> list[int]:
        return list(range(len(records)))

    def problem(self, record: Any) -> Problem | None:
        song = record
        for name in ("artist_id", "artist_name", "song_id", "title"):
            if is_blank(getattr(song, name)):
                return Problem("required", f"{name} is blank", name)
        if is_blank(song.artist_location):
            song.artist_location = None
        if song.year == 0:
            song.year = None
        return None
