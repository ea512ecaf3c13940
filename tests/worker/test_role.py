"""The keys of a pod's role, as on EKS: taken from the agent or from STS, and asked for again in time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redshift_sandbox import Endpoint
from tests import command
from tests.command import Ended
from tests.star.conftest import Pipeline
from tests.worker.aws_api import answering
from tests.worker.role import Role, in_a_pod
from tests.worker.staging import DAY, line, rows

WAYS = ("pod identity", "web identity")


@pytest.fixture
def role(tmp_path: Path) -> Role:
    file = tmp_path / "token"
    file.write_text("canary-first")
    return Role(file)


@pytest.fixture(params=WAYS)
def pod(request: pytest.FixtureRequest, pipeline: Pipeline, role: Role) -> Iterator[Pipeline]:
    pipeline.put_day(DAY, line() + "\n")
    with in_a_pod(pipeline, role, request.param) as made:
        yield made


def stage(pod: Pipeline) -> Ended:
    """In a process of its own, whose standard error nobody else reads."""
    ended = command.end(pod.start("stage", "events", "--date", DAY))
    assert "canary" not in ended.log
    return ended


def refused(ended: Ended, code: int) -> str:
    """The one line of a stage that ends with the code."""
    (said,) = ended.log.splitlines()
    assert ended.code == code, said
    return said.split(maxsplit=2)[2].partition("  step=")[0]


def test_a_day_is_loaded_with_nothing_but_the_roles_keys(
    pod: Pipeline, role: Role, sandbox: Endpoint, warehouse: Any
) -> None:
    with answering(sandbox) as api:
        pod.day(DAY, **api.environment, SPARKIFY_WAREHOUSE_WORKGROUP="plays")
        assert api.asked
    assert rows(warehouse, "select count(*) from songplays") == [[1]]
    assert set(role.used) <= set(role.expiries)


def test_keys_that_are_over_in_the_middle_of_a_stage_are_asked_for_again(
    pod: Pipeline, role: Role, warehouse: Any
) -> None:
    role.seconds = 4
    ended = stage(pod)
    assert ended.code == 0, ended.log
    assert "WARNING" not in ended.log
    assert rows(warehouse, "select count(*) from staging_events") == [[1]]
    first, *others = role.used
    assert others
    assert first not in others


def test_new_keys_that_are_not_given_are_a_passing_failure_of_one_line(pod: Pipeline, role: Role) -> None:
    role.seconds = 4
    role.later = (500, "InternalError")
    said = refused(stage(pod), 75)
    assert re.fullmatch(
        "S3 s3://staging-.*: AWS gave no new credentials to list it: .*InternalError.*; try again", said
    ), said


PASSES = "; it may pass: try again"
STS = r"An error occurred \({}\) when calling the AssumeRoleWithWebIdentity operation.*: as the test says"


@pytest.mark.parametrize(
    ("way", "failure", "code", "reason"),
    [
        (
            "pod identity",
            (500, "InternalError"),
            75,
            f"Error when retrieving credentials from container-role: .* 500 .*: InternalError{PASSES}",
        ),
        (
            "web identity",
            (403, "AccessDenied"),
            64,
            f"{STS.format('AccessDenied')}; check the role of the pod's ServiceAccount, and whom it trusts",
        ),
        ("web identity", (500, "InternalFailure"), 75, f"{STS.format('InternalFailure')}{PASSES}"),
        ("web identity", (400, "Throttling"), 75, f"{STS.format('Throttling')}{PASSES}"),
    ],
    ids=["an agent that fails", "a role that does not trust the pod", "an STS that fails", "too many calls"],
)
def test_a_role_that_gives_nothing_is_one_line(
    pipeline: Pipeline, role: Role, way: str, failure: tuple[int, str], code: int, reason: str
) -> None:
    role.failure = failure
    with in_a_pod(pipeline, role, way) as pod:
        said = refused(stage(pod), code)
    assert re.fullmatch(f"AWS gave no credentials for SPARKIFY_SOURCE: {reason}", said), said


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_or_sts_that_is_not_there_is_a_passing_failure(
    pipeline: Pipeline, role: Role, way: str
) -> None:
    with in_a_pod(pipeline, role, way) as pod:
        role.url = "http://127.0.0.1:1"
        pod.environment.update(role.environment(way))
        said = refused(stage(pod), 75)
    assert said.startswith("AWS gave no credentials for SPARKIFY_SOURCE: ")
    assert "http://127.0.0.1:1" in said


@pytest.mark.parametrize("way", WAYS)
def test_a_pod_without_its_token_has_no_credentials(pipeline: Pipeline, role: Role, way: str) -> None:
    with in_a_pod(pipeline, role, way) as pod:
        role.token_file.unlink()
        said = refused(stage(pod), 64)
    assert said.startswith("there are no AWS credentials for SPARKIFY_SOURCE: ")
    assert "No such file or directory" in said
