"""What a line of a day's event file must be beyond its contract (sql/staging/events/contract.toml)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from sparkify.contract import Contract
from sparkify.rows import Problem, is_blank


@dataclass(frozen=True)
class EventRules:
    """The rules of one day's events.

    A number given as text is refused; userId may be a number. An event may lie up to 24 hours outside the day
    of its file. Who is not logged in has a blank userId, which becomes null; a play needs its user and level.
    """

    contract: Contract
    day: date

    @cached_property
    def _bounds(self) -> tuple[int, int]:
        midnight = datetime.combine(self.day, datetime.min.time(), UTC)
        first, end = midnight - timedelta(days=1), midnight + timedelta(days=2)
        return int(first.timestamp()) * 1000, int(end.timestamp()) * 1000

    def suspects(self, records: Sequence[Any]) -> list[int]:
        first, end = self._bounds
        found = []
        for position, event in enumerate(records):
            registration = event.registration
            if type(registration) is float:
                if not registration.is_integer():
                    found.append(position)
                    continue
                event.registration = int(registration)
            user, level = event.user_id, event.level
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

    def problem(self, record: Any) -> Problem | None:
        event = record
        if isinstance(event.user_id, int):
            event.user_id = str(event.user_id)
            limit = self.contract.fields["userId"].bytes
            if limit and len(event.user_id) > limit:
                return Problem("size", f"userId has {len(event.user_id)} digits", "userId")
        elif is_blank(event.user_id):
            event.user_id = None
        if isinstance(event.registration, float):
            if event.registration % 1:
                return Problem(
                    "type", "registration: expected a whole number of milliseconds", "registration"
                )
            event.registration = int(event.registration)
        if is_blank(event.page):
            return Problem("required", "page is blank", "page")
        if event.page == "NextSong":
            if event.user_id is None:
                return Problem("required", "userId is blank, and the page is NextSong")
            if is_blank(event.level):
                return Problem("required", "level is blank, and the page is NextSong")
        first, end = self._bounds
        if not first <= event.ts < end:
            return Problem("time", f"ts {event.ts} is more than 24 hours outside {self.day}")
        return None
