"""GitHub's workflows type what a person types, and use only what they name by its content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it(workflow: Path) -> None:
    uses = re.findall(r"uses: (.+)", workflow.read_text())
    assert len(uses) >= 2
    assert [line for line in uses if not re.fullmatch(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_make_target_is_there(workflow: Path) -> None:
    typed = {
        target
        for step in steps(workflow)
        for target in re.findall(r"^make ([a-z0-9-]+)", step.get("run", ""), re.M)
    }
    assert typed <= TARGETS


def test_the_end_to_end_job_uses_a_kind_that_up_takes_and_takes_everything_down() -> None:
    (e2e,) = [workflow for workflow in WORKFLOWS if workflow.name == "e2e.yml"]
    (kind,) = [step for step in steps(e2e) if step.get("uses", "").startswith("helm/kind-action")]
    major, minor = re.fullmatch(r"v(\d+)\.(\d+)\.\d+", kind["with"]["version"]).groups()  # type: ignore[union-attr]
    assert (int(major), int(minor)) >= (0, 27)
    assert kind["with"]["install_only"] is True
    assert [step["run"] for step in steps(e2e) if step.get("run", "").startswith("make")] == [
        "make up",
        "make e2e",
        "make down",
    ]
    assert steps(e2e)[-1]["if"] == "always()"
