"""A clone with an origin of its own, and stand-ins for the programs that reach the world."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import Ended
from tests.provision.conftest import *  # noqa: F403, the account of `sparkify-aws`' tests

ROOT = Path(__file__).parents[2]


@dataclass
class Clone:
    """A clone of a repository that has our gitops/ and chart, on main, with one commit."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "clone"

    def git(self, *arguments: str, at: Path | None = None) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        done = subprocess.run(
            ["git", "-C", at or self.root, *identity, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything, push it to main; its hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def has(self, name: str, script: str = "") -> None:
        """A program that notes what it is told, a line a call, and then does what the script says."""
        file = self.folder / "bin" / name
        log = shlex.quote(str(self.folder / f"{name}.log"))
        file.write_text(f'#!/bin/sh\necho "$*" >>{log}\n{script}\n')
        file.chmod(0o755)

    def told(self, name: str) -> list[str]:
        log = self.folder / f"{name}.log"
        return log.read_text().splitlines() if log.exists() else []

    def run(self, *command: str | Path, **environment: str) -> Ended:
        done = subprocess.run(
            command,
            cwd=self.root,
            env={
                "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOME": str(self.folder),  # nobody's git configuration, nobody's archive of Airflow's chart
                "HELM_REPOSITORY_CACHE": str(self.folder / "helm"),
                "https_proxy": "http://127.0.0.1:9",  # nothing is fetched
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def delivery(self, *arguments: str, **environment: str) -> Ended:
        return self.run(sys.executable, "-m", "delivery", *arguments, **environment)

    def delivers(self, environment: str, *arguments: str) -> None:
        """Record a release and commit it to main."""
        done = self.delivery("record", environment, *arguments)
        assert done.code == 0, done.log
        self.commit(f"Deliver to {environment}")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path)
    (tmp_path / "bin").mkdir()
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", tmp_path / "origin"], check=True
    )
    subprocess.run(
        ["git", "clone", "--quiet", tmp_path / "origin", made.root], check=True, capture_output=True
    )
    made.git("switch", "--quiet", "--orphan", "main")
    shutil.copytree(ROOT / "gitops", made.root / "gitops")
    shutil.copytree(
        ROOT / "helm/sparkify", made.root / "helm/sparkify", ignore=shutil.ignore_patterns("charts")
    )
    made.commit("Begin")
    return made
