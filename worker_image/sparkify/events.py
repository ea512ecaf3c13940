"""What a line of a day's event file must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from sparkify.rows import Problem, is_blank

# The columns of staging_events in bytes. The decoder counts characters, of which there are never more: what
# it lets through is counted exactly where it is not ASCII (sparkify.rows).
LIMITS = {
    "artist": 1024,
    "auth": 64,
    "firstName": 256,
    "gender": 16,
    "lastName": 256,
    "level": 16,
    "location": 1024,
    "method": 16,
    "page": 64,
    "song": 1024,
    "userAgent": 2048,
    "userId": 64,
}

_Text16 = Annotated[str, Meta(max_length=16)]
_Text64 = Annotated[str, Meta(max_length=64)]
_Text256 = Annotated[str, Meta(max_length=256)]
_Text1024 = Annotated[str, Meta(max_length=1024)]
_Text2048 = Annotated[str, Meta(max_length=2048)]
_Integer = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_BigInteger = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Event(msgspec.Struct, gc=False, kw_only=True):
    """An event, its fields in the order in which the source writes them."""

    artist: _Text1024 | None = None
    auth: _Text64 | None = None
    firstName: _Text256 | None = None
    gender: _Text16 | None = None
    itemInSession: _Integer
    lastName: _Text256 | None = None
    length: Annotated[float, Meta(ge=0)] | None = None
    level: _Text16 | None = None
    location: _Text1024 | None = None
    method: _Text16 | None = None
    page: Annotated[str, Meta(min_length=1, max_length=64)]
    registration: _BigInteger | Annotated[float, Meta(ge=0, lt=2**63)] | None = None
    sessionId: _BigInteger
    song: _Text1024 | None = None
    status: _Integer | None = None
    ts: _BigInteger
    userAgent: _Text2048 | None = None
    userId: _Text64 | int | None = None


@dataclass(frozen=True)
class EventRules:
    """The rules of one day's events.

    A number given as text is refused; userId may be a number. An event may lie up to 24 hours outside the day
    of its file. Who is not logged in has a blank userId, which becomes null; a play needs its user and level.
    """

    day: date
    record: ClassVar[type[msgspec.Struct]] = Event
    limits: ClassVar[Mapping[str, int]] = LIMITS

    @property
    def _bounds(self) -> tuple[int, int]:
        midnight = datetime.combine(self.day, datetime.min.time(), UTC)
        first, end = midnight - timedelta(days=1), midnight + timedelta(days=2)
        return int(first.timestamp()) * 1000, int(end.timestamp()) * 1000

    def suspects(self, records: Sequence[Event]) -> list[int]:
        first, end = self._bounds
        found = []
        for position, event in enumerate(records):
            registration = event.registration
            if type(registration) is float:
                if not registration.is_integer():
                    found.append(position)
                    continue
                event.registration = int(registration)
            user, level = event.userId, event.level
            # A text below "!" is empty or begins with white space or a control character.
            if (
                type(user) is not str
                or user < "!"
                or level is None
                or level < "!"
                or event.page < "!"
                or not first <= event.ts < end
            ):
                found.append(position)
        return found

    def problem(self, record: Event) -> Problem | None:
        event = record
        if isinstance(event.userId, int):
            event.userId = str(event.userId)
            if len(event.userId) > LIMITS["userId"]:
                return Problem("size", f"userId has {len(event.userId)} digits")
        elif is_blank(event.userId):
            event.userId = None
        if isinstance(event.registration, float):
            if event.registration % 1:
                return Problem("type", "registration: expected a whole number of milliseconds")
            event.registration = int(event.registration)
        if is_blank(event.page):
            return Problem("required", "page is blank")
        if event.page == "NextSong":
            if event.userId is None:
                return Problem("required", "userId is blank, and the page is NextSong")
            if is_blank(event.level):
                return Problem("required", "level is blank, and the page is NextSong")
        first, end = self._bounds
        if not first <= event.ts < end:
            return Problem("time", f"ts {event.ts} is more than 24 hours outside {self.day}")
        return None
