"""Reads sql/checks.toml: the thresholds of the checks, and which checks there are of the history.

SPARKIFY_CHECKS says otherwise at one place, in the same terms.
"""

from pathlib import Path
from typing import Literal

import msgspec

from sparkify.errors import UsageError

# check: its rows stop the load. warn: they are reported. off: it is not run.
Severity = Literal["check", "warn", "off"]

FILE = "checks.toml"


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that checks compare with; a whole one where its limits and its value are."""

    value: int | float
    minimum: int | float
    maximum: int | float
    meaning: str

    def problem(self, value: object) -> str | None:
        """What is wrong with a value for it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{value!r} is not a number"
        if isinstance(self.value, int) and not isinstance(value, int):
            return f"{value} is not a whole number"
        if not self.minimum <= value <= self.maximum:
            return f"{value} is not from {self.minimum} to {self.maximum}"
        return None


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`history`: a file of sql/history/ → the tables that it checks. `checks`: a check's name → its severity
    and thresholds, where they are its own."""

    thresholds: dict[str, Threshold]
    history: dict[str, list[str]] = {}
    checks: dict[str, dict[str, int | float | str]] = {}


def read(sql: Path) -> Configuration:
    """What sql/checks.toml says.

    Raises:
        UsageError: it is not well-formed, or a threshold is outside its own limits.
    """
    path = sql / FILE
    try:
        configuration = msgspec.toml.decode(path.read_bytes(), type=Configuration)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    for name, threshold in configuration.thresholds.items():
        if problem := threshold.problem(threshold.value):
            raise UsageError(f"{path}: {name}: {problem}")
    return configuration
