"""The `sparkify` command: in this process, which saves a second each time, or in one of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from sparkify import cli

SPARKIFY = Path(sys.executable).with_name("sparkify")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    log: str


def run(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Ended:
    """Run a command in this process, with nothing in its environment but what is given."""
    out, log = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, environment, clear=True), redirect_stdout(out), redirect_stderr(log):
        try:
            cli.main(arguments)
        except SystemExit as ended:
            code = ended.code
    return Ended(int(str(code)), out.getvalue(), log.getvalue())


def start(arguments: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [SPARKIFY, *arguments],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for its end."""
    out, log = process.communicate(timeout=120)
    return Ended(process.returncode, out, log)
