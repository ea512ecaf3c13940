"""`python -m deploy` in a copy of the checkout, with stand-ins for docker, kind, kubectl and helm."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    log: str

    @property
    def last(self) -> str:
        return self.log.splitlines()[-1]


@dataclass
class Machine:
    """A machine on which just those programs are installed that a test names, each with what it answers."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def has(self, name: str, *answers: tuple[str, str, int], otherwise: tuple[str, int] = ("", 0)) -> None:
        """A program. Each answer is a glob of its arguments, what it prints, and its exit code.

        The first answer whose glob fits is given; with an exit code other than 0 it goes to standard error.
        """
        cases = [*answers, ("*", *otherwise)]
        lines = [
            "#!/bin/sh",
            f'echo "{name} $*" >>{shlex.quote(str(self.folder / "commands"))}',
            'case "$*" in',
        ]
        for glob, text, code in cases:
            pattern = "*".join(shlex.quote(part) if part else "" for part in glob.split("*"))
            lines += [f"  {pattern})", f"    printf '%s\\n' {shlex.quote(text)} {'>&2' if code else ''}"]
            lines += [f"    exit {code} ;;"]
        script = self.folder / "bin" / name
        script.write_text("\n".join([*lines, "esac"]))
        script.chmod(0o755)

    def lacks(self, name: str) -> None:
        (self.folder / "bin" / name).unlink()

    def run(self, *arguments: str | Path, **environment: str) -> Ended:
        ended = subprocess.run(
            [self.folder / "python", "-m", "deploy", *arguments],
            cwd=self.checkout,
            env={
                "PATH": str(self.folder / "bin"),
                "PYTHONPATH": f"{self.checkout}{os.pathsep}{sysconfig.get_path('purelib')}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOME": str(self.folder),
                **self.environment,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def commands(self, name: str) -> list[str]:
        """What the program was told, without its name."""
        log = self.folder / "commands"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split()[0] == name]


def items(*objects: dict[str, Any]) -> str:
    return json.dumps({"items": objects})


DIGEST = f"sha256:{'7' * 64}"

WORKLOAD = {
    "metadata": {
        "name": "sparkify-airflow-scheduler",
        "generation": 2,
        "annotations": {"meta.helm.sh/release-name": "sparkify"},
    },
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1},
}

# What the programs answer when everything is as it should be.
DOCKER = (("version*", "20.10.24", 0), ("push *", f"dev: digest: {DIGEST} size: 1990", 0))
KUBECTL = (
    ("config current-context", "elsewhere", 0),
    ("config get-contexts*", "elsewhere\nanother", 0),
    ("--context * auth can-i *", "yes", 0),
    ("--context * get deployments,statefulsets *", items(WORKLOAD), 0),
    ("--context * get pods *", items(), 0),
)
HELM = (
    ("--kube-context * get values *", "Error: release: not found", 1),
    ("--kube-context * get notes *", "NOTES:\nType this.", 0),
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """docker, kubectl with a context, and helm; no kind."""
    made = Machine(tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("deploy", "laptop", "worker_image", "dags", "sandbox", "sql"):
        shutil.copytree(ROOT / name, made.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "helm/sparkify", made.checkout / "helm/sparkify", ignore=shutil.ignore_patterns("*.tgz")
    )
    # An interpreter with nothing beside it.
    (tmp_path / "python").symlink_to(Path(sys.executable).resolve())
    archive = tmp_path / ".cache/sparkify/charts/airflow-1.22.0.tgz"
    archive.parent.mkdir(parents=True)
    archive.touch()
    made.has("docker", *DOCKER)
    made.has("kubectl", *KUBECTL)
    made.has("helm", *HELM)
    made.environment["REGISTRY"] = "registry.example/team"
    return made
