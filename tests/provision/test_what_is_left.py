"""That `down` leaves nothing of ours, whatever the settings were, and says the truth about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.provision.aws import CLUSTER, ID, REGION, Aws, Call, state
from tests.provision.conftest import Command

OTHER = {"serverless": "provisioned", "provisioned": "serverless"}
PARTS = {
    "serverless": ["namespace sparkify", "workgroup sparkify", "usage limit sparkify, RPU-hours a day"],
    "provisioned": ["subnet group sparkify", "cluster sparkify"],
}
PODS = ["sparkify-jobs/sparkify-worker", "sparkify/sparkify-scheduler", "sparkify/sparkify-api-server"]
TAGS = [{"Key": "sparkify:stack", "Value": "sparkify"}]


@pytest.mark.parametrize("warehouse", ["serverless", "provisioned"])
def test_down_removes_the_warehouse_of_other_settings_too(aws: Aws, command: Command, warehouse: str) -> None:
    command.set(warehouse=warehouse)
    command("up")
    command.set(warehouse=OTHER[warehouse])
    said = command("down", "--yes")
    for part in PARTS[warehouse]:
        assert f"remove  {part}  " in said
    assert "nothing else with the tag is left" in said
    assert state(aws) == {}


@pytest.mark.parametrize("warehouse", ["serverless", "provisioned"])
def test_plan_up_and_status_name_the_warehouse_of_other_settings_and_let_it_be(
    aws: Aws, command: Command, warehouse: str
) -> None:
    command.set(warehouse=warehouse)
    command("up")
    command.set(warehouse=OTHER[warehouse])
    planned = command("plan")
    made = command("up")
    seen = command("status")
    for part in PARTS[warehouse]:
        assert (
            f"other   {part}: made with other settings, and not in the estimate; only down removes it\n"
            in planned
        )
        assert f"{part} was made with other settings and is still there; only down removes it\n" in made
        assert f"other settings  {part}\n" in seen
    assert len(aws.serverless.workgroups) == 1
    with aws.quietly():
        assert len(aws.client("redshift").describe_clusters()["Clusters"]) == 1
    command("down", "--yes")
    assert state(aws) == {}


def test_pods_identities_of_other_settings_are_named_and_removed(aws: Aws, command: Command) -> None:
    aws.know_issuer()
    command("up")
    command.set(identity="irsa")
    planned, made, seen = command("plan"), command("up"), command("status")
    for each in PODS:
        assert f"other   pod identity {each}: " in planned
        assert f"pod identity {each} was made with other settings and is still there" in made
        assert f"other settings  pod identity {each}\n" in seen
    said = command("down", "--yes")
    for each in PODS:
        assert f"remove  pod identity {each}  " in said
    assert state(aws) == {}


def test_a_bucket_that_was_made_before_one_s_own_was_set_is_named_and_removed(
    aws: Aws, command: Command
) -> None:
    command("up")
    command.set(source="s3://music/raw")
    assert f"other   bucket sparkify-source-{ID}-{REGION}: " in command("plan")
    command("down", "--yes")
    assert state(aws) == {}


@pytest.mark.parametrize("changed", [False, True], ids=["same settings", "other settings"])
@pytest.mark.parametrize("warehouse", ["serverless", "provisioned"])
def test_what_aws_goes_on_listing_is_not_taken_for_left(
    aws: Aws, command: Command, warehouse: str, changed: bool
) -> None:
    command.set(warehouse=warehouse)
    command("up")
    command.set(warehouse=OTHER[warehouse] if changed else warehouse)
    aws.late = dict.fromkeys(aws.tagged(), 1000)
    assert len(aws.late) == 9  # roles are not listed
    assert "nothing with the tag is left" in command("down", "--yes", "--delete-data")


def test_what_an_interrupted_down_has_removed_is_waited_for_until_aws_lists_it_no_more(
    aws: Aws, command: Command
) -> None:
    command("up")
    aws.late = dict.fromkeys(aws.tagged(), 5)

    def interrupt(call: Call) -> None:
        if call.operation == "DeleteSecurityGroup":
            raise KeyboardInterrupt

    aws.faults.after = interrupt
    assert "kept: the final snapshot sparkify-final-00000001\n" in command("down", "--yes", code=130)
    aws.faults.after = lambda call: None
    said = command("down", "--yes")
    assert "AWS's list of what has the tag catches up" in said
    assert "nothing with the tag is left" in said


def _bucket(aws: Aws) -> str:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="sparkify", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_tagging(Bucket="sparkify", Tagging={"TagSet": TAGS})
    return "arn:aws:s3:::sparkify"


def _group(aws: Aws) -> str:
    specification = {"ResourceType": "security-group", "Tags": TAGS}
    made = aws.client("ec2").create_security_group(
        GroupName="sparkify", Description="-", VpcId=aws.vpc, TagSpecifications=[specification]
    )
    return f"arn:aws:ec2:{REGION}:{ID}:security-group/{made['GroupId']}"


def _subnet_group(aws: Aws) -> str:
    aws.client("redshift").create_cluster_subnet_group(
        ClusterSubnetGroupName="old", Description="-", SubnetIds=aws.subnets, Tags=TAGS
    )
    return f"arn:aws:redshift:{REGION}:{ID}:subnetgroup:old"


def _association(aws: Aws) -> str:
    made = aws.client("eks").create_pod_identity_association(
        clusterName=CLUSTER,
        namespace="old",
        serviceAccount="sparkify-worker",
        roleArn=f"arn:aws:iam::{ID}:role/old",
        tags={"sparkify:stack": "sparkify"},
    )
    return str(made["association"]["associationArn"])


@pytest.mark.parametrize("stray", [_bucket, _group, _subnet_group, _association])
def test_what_has_the_tag_and_none_of_our_names_is_named_and_left(
    aws: Aws, command: Command, stray: Callable[[Aws], str]
) -> None:
    command("up")
    with aws.quietly():
        arn = stray(aws)
    line = command.error("down", "--yes", code=1)
    assert line == f"sparkify-aws down: still there: {arn}, as AWS lists it"
    assert aws.tagged() == {arn}


def test_a_cluster_s_snapshot_of_an_earlier_down_is_named_as_kept(aws: Aws, command: Command) -> None:
    command.set(warehouse="provisioned")
    command("up")
    said = command("down", "--yes")
    assert "kept: the final snapshot sparkify-final-19700101000001\n" in said
    said = command("down", "--yes")
    arn = f"arn:aws:redshift:{REGION}:{ID}:snapshot:sparkify/sparkify-final-19700101000001"
    assert f"kept: {arn}\n" in said
    assert "0 removed; nothing else with the tag is left" in said


@contextmanager
def _typed(text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A person at a terminal types this."""
    person, terminal = os.openpty()
    os.write(person, text.encode())
    with open(terminal, encoding="utf-8") as stdin, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", stdin)
        yield
    os.close(person)


@pytest.mark.parametrize("text", ["sparkify-prod\n", "\n", "y\n", "\x04"])
def test_down_removes_nothing_when_another_name_is_typed(
    aws: Aws, command: Command, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    command("up")
    wanted = state(aws)
    with _typed(text, monkeypatch):
        said = command("down", code=64)
    assert "This removes sparkify in eu-west-1, but for buckets that are not empty; a final snapshot" in said
    assert said.endswith("sparkify-aws down: nothing was removed\n")
    assert state(aws) == wanted


def test_down_goes_on_when_its_name_is_typed(
    aws: Aws, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("up")
    with _typed("sparkify\n", monkeypatch):
        said = command("down", "--delete-data")
    assert "This removes sparkify in eu-west-1, and all data in it." in said
    assert "14 removed; nothing with the tag is left" in said
    assert state(aws) == {}


def test_down_removes_nothing_where_nobody_can_be_asked(
    aws: Aws, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("up")
    wanted = state(aws)
    with open(os.devnull, encoding="utf-8") as stdin, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", stdin)
        line = command.error("down", "--delete-data", code=64)
    assert line == "sparkify-aws down: removes sparkify, and all data in it; say --yes if you mean it"
    assert state(aws) == wanted
