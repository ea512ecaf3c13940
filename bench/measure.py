"""How a command is measured: wall time and the peak memory of its whole process tree."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

import psutil


@dataclass(frozen=True)
class Measured:
    """One run: wall seconds, peak resident memory in MiB of the process and its children, what it printed."""

    seconds: float
    memory: float
    out: str
    log: str


def measured(command: Sequence[str], environment: Mapping[str, str], memory: bool = False) -> Measured:
    """Run a command that must succeed. Sampling its memory costs a little of its time, so it is asked for."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = [0.0]
    sampler = threading.Thread(target=_sample, args=(process.pid, peak), daemon=True)
    if memory:
        sampler.start()
    out, log = process.communicate()
    seconds = time.perf_counter() - started
    if memory:
        sampler.join()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}:\n{log[-2000:]}")
    return Measured(seconds, peak[0], out, log)


def _sample(pid: int, peak: list[float]) -> None:
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            # Proportional set size: pages that the processes share count once.
            total = 0
            for process in [root, *root.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    total += process.memory_full_info().pss
            peak[0] = max(peak[0], total / 2**20)
            time.sleep(0.1)


def interleaved(
    cases: Mapping[str, Callable[[], Measured]], rounds: int, warm_up: int = 1
) -> dict[str, list[Measured]]:
    """Run the cases in turn, A B C A B C …, so that a machine that slows down slows all of them."""
    runs: dict[str, list[Measured]] = {name: [] for name in cases}
    for number in range(warm_up + rounds):
        for name, case in cases.items():
            run = case()
            if number >= warm_up:
                runs[name].append(run)
    return runs


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def spread(values: Sequence[float]) -> str:
    """The median, and in brackets the least and the most."""
    return f"{middle(values):.2f} ({min(values):.2f} to {max(values):.2f})"
