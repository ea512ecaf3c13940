"""GitHub's workflows type what a person types, and use only what they name by its content."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCRIPTS = sorted((ROOT / ".github/scripts").iterdir())
TARGETS = set(re.findall(r"^([a-z0-9./-]+):", (ROOT / "Makefile").read_text(), re.M))


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
        for words in re.findall(r"\bmake ([a-z0-9./ -]+)", step.get("run", ""))
        for target in words.split()
    }
    assert typed <= TARGETS


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_script_is_there_and_can_be_run(workflow: Path) -> None:
    named = {
        name
        for step in steps(workflow)
        for name in re.findall(r"\.(?:github/scripts|ci)/\S+", step.get("run", ""))
    }
    assert [name for name in named if not os.access(ROOT / name, os.X_OK)] == []


def test_no_script_is_left_that_no_workflow_runs() -> None:
    texts = "".join(path.read_text() for path in [*WORKFLOWS, *SCRIPTS])
    assert [script.name for script in SCRIPTS if f"/{script.name}" not in texts] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_has_no_right_but_those_that_it_names_and_ends_by_itself(workflow: Path) -> None:
    config = yaml.safe_load(workflow.read_text())
    assert config["permissions"] == {}
    assert config["concurrency"]["group"]
    for job in config["jobs"].values():
        assert job["permissions"]["contents"] in ("read", "write")
        assert job["timeout-minutes"] <= 180


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_fork_can_start_has_no_secret_and_cannot_write(workflow: Path) -> None:
    text = workflow.read_text()
    assert "secrets." not in text  # AWS and the signature trust the workflow's identity
    config = yaml.safe_load(text)
    events = config[True]  # YAML 1.1 reads the key `on` so
    assert "pull_request_target" not in events
    assert "workflow_run" not in events
    if "pull_request" in events:
        assert [job["permissions"] for job in config["jobs"].values()] == [{"contents": "read"}] * len(
            config["jobs"]
        )


def test_a_delivery_is_not_started_by_the_merge_of_a_delivery() -> None:
    (deliver,) = [workflow for workflow in WORKFLOWS if workflow.name == "deliver.yml"]
    paths = yaml.safe_load(deliver.read_text())[True]["push"]["paths"]
    assert not [path for path in paths if path.startswith(("gitops", "*"))]
    for folder in ("dags", "helm/sparkify", "sql", "worker_image"):
        assert f"{folder}/**" in paths


def test_who_reads_the_cloud_cannot_write_the_repository() -> None:
    for workflow in WORKFLOWS:
        for job in yaml.safe_load(workflow.read_text())["jobs"].values():
            rights = job["permissions"]
            assert not ("id-token" in rights and rights["contents"] == "write"), workflow.name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_step_is_commands_in_a_row_and_what_decides_is_in_scripts(workflow: Path) -> None:
    decides = re.compile(r"\b(for|while|if|case|until)\b|&&|\|\||\$\{")
    assert [step["run"] for step in steps(workflow) if decides.search(step.get("run", ""))] == []


def test_the_helm_of_the_end_to_end_job_is_that_of_the_lock_file(tmp_path: Path) -> None:
    own = ROOT / ".venv/bin/helm"
    if not own.exists():
        pytest.skip("the helm of the lock file is not installed: make .venv/bin/helm")
    (e2e,) = [workflow for workflow in WORKFLOWS if workflow.name == "e2e.yml"]
    (unpack,) = [step["run"] for step in steps(e2e) if "helm.unpack" in step.get("run", "")]
    environment = {**os.environ, "RUNNER_TEMP": str(tmp_path), "UV_OFFLINE": "1"}
    done = subprocess.run(["bash", "-c", unpack], cwd=ROOT, env=environment, capture_output=True, text=True)
    if "network" in done.stderr:
        pytest.skip("the package that has helm is not in uv's cache")
    assert done.returncode == 0, done.stderr
    assert filecmp.cmp(tmp_path / "helm/helm", own, shallow=False)


def test_the_end_to_end_job_uses_a_kind_that_up_takes_and_takes_everything_down() -> None:
    (e2e,) = [workflow for workflow in WORKFLOWS if workflow.name == "e2e.yml"]
    (kind,) = [step for step in steps(e2e) if step.get("uses", "").startswith("helm/kind-action")]
    major, minor = re.fullmatch(r"v(\d+)\.(\d+)\.\d+", kind["with"]["version"]).groups()  # type: ignore[union-attr]
    assert (int(major), int(minor)) >= (0, 27)
    assert kind["with"]["install_only"] is True
    typed = [step["run"].rpartition(':$PATH" ')[2] for step in steps(e2e) if "make " in step.get("run", "")]
    assert typed[1:] == ["make up", "make e2e", "make down"]
    *_, logs, upload, down = steps(e2e)
    assert {step["if"] for step in (logs, upload, down)} == {"always()"}
    assert logs["run"] == f".github/scripts/cluster-logs {upload['with']['path']}"
