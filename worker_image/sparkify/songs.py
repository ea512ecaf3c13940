"""What a line of a song file must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from sparkify.rows import Problem, is_blank

# The columns of staging_songs in bytes.
LIMITS = {
    "artist_id": 64,
    "artist_location": 1024,
    "artist_name": 1024,
    "song_id": 64,
    "title": 1024,
}

_Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
_Text1024 = Annotated[str, Meta(min_length=1, max_length=1024)]
_Integer = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Song(msgspec.Struct, gc=False, kw_only=True):
    """A song, its fields in the order in which the source writes them."""

    num_songs: _Integer | None = None
    artist_id: _Text64
    artist_latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    artist_longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    artist_location: Annotated[str, Meta(max_length=1024)] | None = None
    artist_name: _Text1024
    song_id: _Text64
    title: _Text1024
    duration: Annotated[float, Meta(ge=0)]
    year: _Integer | None = None


@dataclass(frozen=True)
class SongRules:
    """The rules of songs: the year 0 and a blank location mean that nobody knows, and become null."""

    record: ClassVar[type[msgspec.Struct]] = Song
    limits: ClassVar[Mapping[str, int]] = LIMITS

    def suspects(self, records: Sequence[Song]) -> list[int]:
        return list(range(len(records)))

    def problem(self, record: Song) -> Problem | None:
        song = record
        for name in ("artist_id", "artist_name", "song_id", "title"):
            if is_blank(getattr(song, name)):
                return Problem("required", f"{name} is blank")
        if is_blank(song.artist_location):
            song.artist_location = None
        if song.year == 0:
            song.year = None
        return None
