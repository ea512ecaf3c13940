"""The worker's log: one line an event on standard error, for people or as JSON; and what it measures."""

import json
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TextIO

from sparkify.metrics import Metrics
from sparkify.report import as_json, visible

_PLAIN = re.compile(r"[^\s\"'=\\]+")


@dataclass(frozen=True)
class Log:
    """Writes events, each with the step, the day and the run.

    `metrics` are what the step measured, sent when it ends.

    As text, a line is `TIME LEVEL MESSAGE key=value …`; with `as_json`, an object a line.
    """

    step: str
    run: str
    day: str | None = None
    as_json: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    metrics: Metrics = field(default_factory=Metrics)

    def for_day(self, day: str | None) -> "Log":
        return replace(self, day=day)

    def info(self, message: str, **values: object) -> None:
        self._write("info", message, values)

    def warning(self, message: str, **values: object) -> None:
        self._write("warning", message, values)

    def error(self, message: str, **values: object) -> None:
        self._write("error", message, values)

    def _write(self, level: str, message: str, values: dict[str, object]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        context = {"step": self.step, "day": self.day, "run": self.run}
        event = {name: value for name, value in {**context, **values}.items() if value is not None}
        if self.as_json:
            line = as_json({"time": now, "level": level, "message": message, **event})
        else:
            pairs = " ".join(f"{name}={_text(value)}" for name, value in event.items())
            # The name of a file or a database's message may hold line breaks, or what a terminal obeys.
            line = visible(f"{now} {level.upper():7} {message}  {pairs}")
        print(line, file=self.stream, flush=True)


def _text(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
