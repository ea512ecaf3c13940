"""The programs that do the work: docker, kind, kubectl, helm. Each failure becomes one line."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.errors import DeployError

_HOW = {
    "docker": "https://docs.docker.com/engine/install/",
    "helm": "https://helm.sh/docs/intro/install/",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
}

Answer = subprocess.CompletedProcess[str]


def program(name: str) -> str:
    """Where the program is: on the PATH, or in the locked environment.

    Raises:
        DeployError: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if found is None:
        raise DeployError(f"{name} is not installed; see {_HOW.get(Path(name).name, 'its documentation')}")
    return found


def ask(*command: str | Path, stdin: str | None = None) -> Answer:
    """Run the command; its exit code, its output and its errors are the answer."""
    return subprocess.run(
        command, input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True, text=True
    )


def must(what: str, *command: str | Path, stdin: str | None = None) -> str:
    """Run the command; returns its output.

    Raises:
        DeployError: it failed; `what` is what could not be done.
    """
    answer = ask(*command, stdin=stdin)
    if answer.returncode != 0:
        raise DeployError(f"{what}: {last_line(answer)}")
    return answer.stdout


def show(*command: str | Path, environment: Mapping[str, str]) -> bool:
    """Run the command with its output on standard error, as it comes; returns whether it succeeded."""
    return (
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment).returncode == 0
    )


def last_line(answer: Answer) -> str:
    """What a program said last, which is most often why it failed."""
    lines: Sequence[str] = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ") if lines else f"exit code {answer.returncode}, without a word"
