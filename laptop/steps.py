"""Runs the tasks of a graph as Airflow would, each one the worker's command in a process of its own."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol

from laptop.graph import Task

_POLL_SECONDS = 0.02
_RETRY_SECONDS = 1.0  # Airflow waits for minutes; here a person does
_STOP_SECONDS = 20  # for the worker to cancel its statement


class State(StrEnum):
    """A task's end, by Airflow's names."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    FAILED = "failed"
    UPSTREAM_FAILED = "upstream_failed"


@dataclass(frozen=True)
class Outcome:
    """How a task ended: `error` is the last error line of a failed one."""

    state: State
    log: Path
    seconds: float = 0.0
    tries: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()


class View(Protocol):
    """Who is told what happens."""

    def started(self, task: Task) -> None: ...
    def retrying(self, task: Task, tries: int, error: str) -> None: ...
    def ended(self, task: Task, outcome: Outcome) -> None: ...


@dataclass
class _Running:
    task: Task
    log: Path
    begin: float
    tries: int = 0
    process: subprocess.Popen[bytes] | None = None
    next_try: float = 0.0
    said: int = 0  # where the log of the current try begins


class Steps:
    """A context that leaves no process behind, however it is left."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._running: list[_Running] = []

    def __enter__(self) -> "Steps":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes = [running.process for running in self._running if running.process]
        try:
            for process in processes:
                _signal(process, signal.SIGTERM)
            until = time.monotonic() + _STOP_SECONDS
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, until - time.monotonic()))
        finally:  # also after a second Ctrl-C
            for process in processes:
                _signal(process, signal.SIGKILL)
                process.wait()

    def run(self, tasks: Sequence[Task], logs: Path, view: View) -> dict[str, Outcome]:
        """Run all tasks, independent ones side by side; returns each task's outcome by its id."""
        logs.mkdir(parents=True, exist_ok=True)
        outcomes: dict[str, Outcome] = {}
        waiting = list(tasks)
        while waiting or self._running:
            for task in [task for task in waiting if outcomes.keys() >= set(task.upstream)]:
                waiting.remove(task)
                log = logs / f"{task.task_id}.log"
                state = _state_from_upstream([outcomes[name].state for name in task.upstream])
                if state:
                    outcomes[task.task_id] = Outcome(state, log)
                    view.ended(task, outcomes[task.task_id])
                else:
                    view.started(task)
                    self._running.append(_Running(task, log, time.monotonic()))
            for running in [*self._running]:
                outcome = self._advance(running, view)
                if outcome:
                    self._running.remove(running)
                    outcomes[running.task.task_id] = outcome
                    view.ended(running.task, outcome)
            if self._running:
                time.sleep(_POLL_SECONDS)
        return outcomes

    def _advance(self, running: _Running, view: View) -> Outcome | None:
        if running.process is None:
            if time.monotonic() >= running.next_try:
                self._start(running)
            return None
        code = running.process.poll()
        if code is None:
            return None
        running.process = None
        task, seconds = running.task, time.monotonic() - running.begin
        said = _said(running.log, running.said)
        if code == 0 or code in task.skip_on_exit_code:
            state = State.SUCCESS if code == 0 else State.SKIPPED
            return Outcome(state, running.log, seconds, running.tries, None, said.warnings)
        error = said.error or f"{_end(code)}; its last line: {said.last or 'none'}"
        if code in task.fail_on_exit_code or running.tries > task.retries:
            return Outcome(State.FAILED, running.log, seconds, running.tries, error, said.warnings)
        view.retrying(task, running.tries, error)
        running.next_try = time.monotonic() + _RETRY_SECONDS
        return None

    def _start(self, running: _Running) -> None:
        running.tries += 1
        with running.log.open("ab") as log:
            running.said = log.tell()
            running.process = subprocess.Popen(
                [*self._command, *running.task.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the runner, which ends this context
            )


def _state_from_upstream(states: Sequence[State]) -> State | None:
    """What a task becomes that needs the success of all before it; None: it runs."""
    if any(state in (State.FAILED, State.UPSTREAM_FAILED) for state in states):
        return State.UPSTREAM_FAILED
    return State.SKIPPED if State.SKIPPED in states else None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the process and those that it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


@dataclass(frozen=True)
class _Said:
    error: str | None  # the last error line
    last: str | None  # the last line of any kind: a traceback ends with its reason
    warnings: tuple[str, ...]


def _end(code: int) -> str:
    return f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _said(log: Path, offset: int) -> _Said:
    """What a try left in its log."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = [line.decode(errors="replace").rstrip() for line in file]
    errors, warnings = [], []
    for line in lines:
        level, message = _level(line)
        if level == "error":
            errors.append(message)
        elif level == "warning":
            warnings.append(message)
    last = next((line.strip() for line in reversed(lines) if line.strip()), None)
    return _Said(errors[-1] if errors else None, last, tuple(warnings))


def _level(line: str) -> tuple[str, str]:
    """A log line's level and message, without the step, day and run, which the reader knows."""
    text = re.match(r"\S+Z (INFO|WARNING|ERROR) +(.*)", line)
    if text:
        message = re.split(r"  step=\S+", text[2], maxsplit=1)
        rest = re.sub(r" (day|run)=\S+", "", message[1]) if len(message) > 1 else ""
        return text[1].lower(), f"{message[0]}{rest}"
    if line.startswith("{"):
        try:
            record = json.loads(line)
            return str(record["level"]), str(record["message"])
        except (ValueError, KeyError, TypeError):
            pass
    return "", line
