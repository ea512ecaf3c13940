"""What can be expected to go wrong: one line, an exit code, and nothing touched or orphaned."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.provision.aws import CLUSTER, REGION, Aws, Call, Refusal, state
from tests.provision.conftest import Command


def _refuse(aws: Aws, operation: str, code: str, message: str, status: int = 400) -> None:
    def before(call: Call) -> None:
        if call.operation == operation:
            raise Refusal(code, message, status)

    aws.faults.before = before


def _changes(aws: Aws) -> list[str]:
    return [str(call) for call in aws.faults.calls if not call.is_reading]


def test_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "aws.toml").write_text(f'region = "{REGION}"\ncluster = "{CLUSTER}"\n')
    nobody = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [Path(sys.executable).with_name("sparkify-aws"), "up"],
        cwd=tmp_path, env=nobody, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (64, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("sparkify-aws up: no AWS credentials: ")


def test_everything_that_is_wrong_in_the_settings_is_named_at_once(command: Command) -> None:
    command.set(prefix="X", region="nowhere", base_rpus=5, colour="red")
    line = command.error("plan", code=64)
    for name in ("prefix = 'X'", "region = 'nowhere'", "base_rpus = 5", "unknown: colour"):
        assert name in line, line


def test_a_region_that_is_none(aws: Aws, command: Command) -> None:
    command.set(region="eu-nowhere-1")
    line = command.error("up", code=64)
    assert line == "sparkify-aws up: region = 'eu-nowhere-1': Redshift is in no such region"


def test_a_region_in_which_the_cluster_is_not(aws: Aws, command: Command) -> None:
    command.set(region="eu-central-1")
    line = command.error("up", code=64)
    assert line == "sparkify-aws up: there is no EKS cluster etl in eu-central-1: check cluster and region"
    assert _changes(aws) == []


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_an_expired_token(aws: Aws, command: Command, code: str) -> None:
    _refuse(aws, "DescribeSubnets", code, "The security token included in the request is expired")
    line = command.error("up", code=64)
    assert "the AWS credentials have expired: log in, and type the same command again" in line
    assert _changes(aws) == []


def test_a_token_that_expires_while_up_runs(aws: Aws, command: Command) -> None:
    command("up")
    wanted = state(aws)
    command("down", "--yes")
    _refuse(aws, "CreateWorkgroup", "ExpiredTokenException", "The security token included is expired")
    assert command.error("up", code=64) == (
        "sparkify-aws up: CreateWorkgroup: The security token included is expired (ExpiredTokenException); "
        "the AWS credentials have expired: log in, and type the same command again"
    )
    assert list(aws.serverless.namespaces) == ["sparkify"]
    aws.faults.before = lambda call: None
    assert "8 of 14 made or changed" in command("up")
    assert state(aws) == wanted


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("CreateBucket", "TooManyBuckets"),
        ("CreateRole", "LimitExceeded"),
        ("CreateSecurityGroup", "SecurityGroupLimitExceeded"),
        ("CreateWorkgroup", "ServiceQuotaExceededException"),
    ],
)
def test_a_quota_that_is_reached_and_raised_then(
    aws: Aws, command: Command, operation: str, code: str
) -> None:
    _refuse(aws, operation, code, "no more of these")
    line = command.error("up", code=1)
    assert line == (
        f"sparkify-aws up: {operation}: no more of these ({code}); a quota of the account is reached: "
        "raise it in Service Quotas, and type again"
    )
    aws.faults.before = lambda call: None
    command("up")
    assert "14 removed; nothing else with the tag is left" in command("down", "--yes")
    assert state(aws) == {}


def test_a_right_that_is_lacking(aws: Aws, command: Command) -> None:
    _refuse(aws, "CreateRole", "AccessDenied", "not you", 403)
    line = command.error("up", code=64)
    assert "CreateRole: not you (AccessDenied); docs/aws.md lists the rights" in line


def test_a_name_that_another_account_has_taken(aws: Aws, command: Command) -> None:
    _refuse(aws, "CreateBucket", "BucketAlreadyExists", "the name is not available", 409)
    line = command.error("up", code=1)
    assert "(BucketAlreadyExists); choose another prefix" in line


def test_sql_that_the_warehouse_refuses_is_told_and_run_again(aws: Aws, command: Command) -> None:
    aws.data.failing = "ERROR: out of\n disk"
    line = command.error("up", code=1)
    assert line == "sparkify-aws up: schema sparkify: failed: ERROR: out of disk"
    aws.data.failing = None
    assert "4 of 14 made or changed" in command("up")


def test_an_interruption_is_one_line_and_the_next_up_goes_on(aws: Aws, command: Command) -> None:
    def interrupt(call: Call) -> None:
        if call.operation == "CreateWorkgroup":
            raise KeyboardInterrupt

    aws.faults.after = interrupt
    line = command.error("up", code=130)
    assert line == "sparkify-aws up: interrupted; type the same command again: it goes on"
    aws.faults.after = lambda call: None
    command("up")
    assert command("status").count("as wanted  ") == 14


def test_subnets_that_are_too_few(aws: Aws, command: Command) -> None:
    with aws.quietly():
        subnet = aws.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    command.set(subnets=[subnet])
    line = command.error("up", code=64)
    assert "Redshift Serverless needs subnets in three availability zones" in line
    assert _changes(aws) == []
