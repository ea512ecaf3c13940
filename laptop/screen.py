"""What a person sees while the days run: live on a terminal, plain lines elsewhere."""

import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from laptop.graph import Task
from laptop.steps import Outcome, State

_PLAIN_WIDTH = 120
_MARKS = {
    State.SUCCESS: ("✓", "green"),
    State.SKIPPED: ("-", "yellow"),
    State.FAILED: ("✗", "bold red"),
    State.UPSTREAM_FAILED: ("·", "red"),
}


class Screen:
    """Lines that stay, above what goes on at the moment."""

    def __init__(self) -> None:
        lively = sys.stdout.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a title must not end the run on a Latin-1 terminal
        self.console = Console(highlight=False, width=None if lively else _PLAIN_WIDTH)
        self._lively = lively
        self._now: RenderableType | None = None
        self._days_done = 0
        self._days = 0
        self._live = Live(get_renderable=self._renderable, console=self.console, transient=True)
        self._warned: set[str] = set()

    @contextmanager
    def live(self, days: int) -> Iterator[None]:
        """Show what goes on, with a bar over so many days, as long as the context."""
        self._days = days
        if not self._lively:
            yield
            return
        with self._live:
            yield

    def line(self, text: str | Text) -> None:
        """A line that stays."""
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def working(self, name: str) -> Iterator[list[str]]:
        """Something that takes a while; what the caller puts into the list is told at its end."""
        begin = time.monotonic()
        self._show(Spinner("dots", Text(name)))
        details: list[str] = []
        try:
            yield details
        finally:
            self._show(None)
        seconds = time.monotonic() - begin
        self.line(
            Text.assemble(("✓ ", "green"), f"{name:<12}", (f"{seconds:5.1f} s  {'; '.join(details)}", "dim"))
        )

    @contextmanager
    def run(self, name: str, tasks: Sequence[Task], is_day: bool = True) -> Iterator["RunView"]:
        """One run of a DAG."""
        view = RunView(self, name, tasks)
        self._show(view)
        try:
            yield view
            self._days_done += is_day
        finally:
            self._show(None)
        if self._lively:
            self.line(view.__rich__())

    def warn(self, text: str) -> None:
        """A warning, once: several days may have the same."""
        if text not in self._warned:
            self._warned.add(text)
            self.line(Text.assemble(("  ! ", "yellow"), text))

    def _show(self, now: RenderableType | None) -> None:
        self._now = now
        # What was on the screen last is drawn again below every line that is printed.
        if self._live.is_started:
            self._live.refresh()

    @property
    def is_live(self) -> bool:
        return self._lively

    def _renderable(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._now is not None:
            parts.append(self._now)
        if self._days > 1:
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                "  ",
                ProgressBar(self._days, self._days_done, width=40),
                f"{self._days_done} of {self._days} days",
            )
            parts.append(bar)
        return Group(*parts)


class RunView:
    """One run's tasks in one line; each of its own where nothing moves."""

    def __init__(self, screen: Screen, name: str, tasks: Sequence[Task]) -> None:
        self._screen = screen
        self._name = name
        self._tasks = tasks
        self._begins: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._errors: dict[str, str] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._spinner = Spinner("dots")

    def started(self, task: Task) -> None:
        self._begins[task.task_id] = time.monotonic()

    def retrying(self, task: Task, tries: int, error: str) -> None:
        self._tries[task.task_id] = tries
        reason = "as before" if self._errors.get(task.task_id) == error else error
        self._errors[task.task_id] = error
        told = f"{self._name} {task.task_id}: try {tries} of {task.retries + 1} failed: {reason}"
        self._screen.line(Text.assemble(("  ↻ ", "yellow"), told))

    def ended(self, task: Task, outcome: Outcome) -> None:
        self._outcomes[task.task_id] = outcome
        mark, style = _MARKS[outcome.state]
        if not self._screen.is_live:
            self._screen.line(
                Text.assemble(
                    (f"{mark} ", style),
                    f"{self._name:<12}{task.task_id:<14}{outcome.state:<16}",
                    f"{outcome.seconds:5.1f} s" if outcome.tries else "",
                )
            )
        if outcome.error is not None:
            self._screen.line(
                Text.assemble((f"  {mark} ", style), f"{self._name} {task.task_id}: {outcome.error}")
            )
        for warning in outcome.warnings:
            self._screen.warn(f"{task.task_id}: {warning}")

    def __rich__(self) -> Text:
        """The run's line as it is now."""
        states = [outcome.state for outcome in self._outcomes.values()]
        if len(states) < len(self._tasks):
            mark, style = str(self._spinner.render(time.monotonic())), "cyan"
        elif any(state in (State.FAILED, State.UPSTREAM_FAILED) for state in states):
            mark, style = _MARKS[State.FAILED]
        else:
            mark, style = _MARKS[State.SUCCESS]
        text = Text.assemble((f"{mark} ", style), f"{self._name:<12}")
        for task in self._tasks:
            outcome = self._outcomes.get(task.task_id)
            if outcome:
                mark, style = _MARKS[outcome.state]
                detail = f"{outcome.seconds:.1f} s" if outcome.tries else outcome.state.replace("_", " ")
                text.append_text(Text.assemble(("   " + mark, style), f" {task.task_id} ", (detail, "dim")))
            elif task.task_id in self._begins:
                seconds = time.monotonic() - self._begins[task.task_id]
                tries = f", try {self._tries[task.task_id] + 1}" if task.task_id in self._tries else ""
                mark = str(self._spinner.render(time.monotonic()))
                text.append_text(
                    Text.assemble(
                        ("   " + mark, "cyan"), f" {task.task_id} ", (f"{seconds:.1f} s{tries}", "dim")
                    )
                )
            else:
                text.append(f"     {task.task_id}", "dim")
        return text
