"""A running sandbox, seen from outside: where it is and how to start one as a child process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from redshift_sandbox.errors import SandboxError

_STOP_SECONDS = 30


@dataclass(frozen=True)
class Endpoint:
    """Where a sandbox answers.

    `env` is the environment that a worker needs to reach it, `process_id` that of the process that serves.
    """

    host: str
    port: int
    database: str
    user: str
    s3_endpoint: str
    ca_file: str
    env: dict[str, str]
    process_id: int

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Endpoint:
        return cls(**json.loads(line))

    @property
    def password(self) -> str:
        return self.env["SPARKIFY_WAREHOUSE_PASSWORD"]


@contextmanager
def running(state: Path, **options: str | int | Path) -> Iterator[Endpoint]:
    """A sandbox that runs as a child process as long as the context.

    `options` are those of `redshift_sandbox serve`, with `_` for `-`: `port=5439`, `log=Path("sandbox.log")`.
    It stops at the end of the context and also when this process ends in any other way.
    Raises SandboxError when it does not start, and at the end of the context when it failed meanwhile, as
    on a full disk: whatever the context has raised comes from that.
    """
    arguments = [
        part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "redshift_sandbox", "serve"),
            *("--state", str(state), "--stop-with-stdin", *arguments),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the parent, which ends this context
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        if line:
            yield Endpoint.from_json(line)
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said = process.stderr.read().strip().splitlines()
        process.stdout.close()
        process.stderr.close()
        # Who kills it knows.
        if process.returncode not in (0, -signal.SIGKILL):
            raise SandboxError(said[-1] if said else f"it ended with exit code {process.returncode}")
    if not line:
        raise SandboxError(f"it ended at once, exit code {process.returncode}")
