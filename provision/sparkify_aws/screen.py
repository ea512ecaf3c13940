"""What a person sees while AWS is slow: a line that moves on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status


class Screen:
    """Lines that stay, on standard error, above what goes on at the moment."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._said = ""

    def line(self, text: str) -> None:
        self._console.print(text, markup=False)

    def say(self, text: str) -> None:
        """What is being waited for; said again, it is shown once."""
        if self._status is not None and self._console.is_terminal:
            self._status.update(text)
        elif text != self._said:
            self.line(f"  {text}")
        self._said = text

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Something that takes a while; told at its end, with its seconds."""
        begin = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(text) as self._status:
                yield
            self._status = None
        else:
            yield
        self.line(f"{text}  {time.monotonic() - begin:.0f} s")
