"""The rights that docs/aws.md asks for are those of the calls that are made."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.provision.aws import ID, REGION, Aws
from tests.provision.conftest import Command

STAGING = f"sparkify-staging-{ID}-{REGION}"
PAGE = Path(__file__).parents[2] / "docs" / "aws.md"

# Elsewhere a right has its operation's name (Service Authorization Reference, list_amazons3).
OF_S3 = {
    "HeadBucket": ["ListBucket"],
    "ListObjectVersions": ["ListBucketVersions"],
    "GetPublicAccessBlock": ["GetBucketPublicAccessBlock"],
    "PutPublicAccessBlock": ["PutBucketPublicAccessBlock"],
    "GetBucketLifecycleConfiguration": ["GetLifecycleConfiguration"],
    "PutBucketLifecycleConfiguration": ["PutLifecycleConfiguration"],
    "DeleteObjects": ["DeleteObject", "DeleteObjectVersion"],
}


def _listed() -> set[str]:
    """What the page's table has as rights to call."""
    _, table = PAGE.read_text(encoding="utf-8").split("| rights to call |", 1)
    listed = set()
    for line in table.split("\n\n", 1)[0].splitlines()[2:]:
        row = line.split("|")[1:]
        (service,) = re.findall("`(.+?)`", row[0])
        listed |= {f"{service}:{right}" for right in re.findall("`(.+?)`", row[1])}
    return listed


def _called(aws: Aws) -> set[str]:
    called = set()
    for call in aws.faults.calls:
        if call.service == "s3":
            called |= {f"s3:{right}" for right in OF_S3.get(call.operation, [call.operation])}
        else:
            service = {"resourcegroupstaggingapi": "tag"}.get(call.service, call.service)
            called.add(f"{service}:{call.operation}")
    return called


def _change_by_hand(aws: Aws) -> None:
    """Whatever `up` takes back."""
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    with aws.quietly():
        aws.client("iam").update_assume_role_policy(
            RoleName="sparkify-copy",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}),
        )
        for each in aws.identities.all.values():
            each["roleArn"] = f"arn:aws:iam::{ID}:role/another"
        for each in aws.serverless.namespaces.values():
            each["iamRoles"] = []
        redshift = aws.client("redshift")
        for each in redshift.describe_clusters()["Clusters"]:
            redshift.modify_cluster(ClusterIdentifier=each["ClusterIdentifier"], PubliclyAccessible=True)
            aws.clusters.changes[each["ClusterIdentifier"]] = {"IamRoles": []}


def test_the_page_lists_the_rights_for_every_call_and_no_other(aws: Aws, command: Command) -> None:
    aws.know_issuer()
    with aws.quietly():
        ec2 = aws.client("ec2")
        nodes = ec2.create_security_group(GroupName="more", Description="-", VpcId=aws.vpc)["GroupId"]
    for changed in (
        {"warehouse": "serverless", "identity": "pod-identity", "base_rpus": 16, "daily_rpu_hours": 3},
        {"warehouse": "provisioned", "identity": "irsa", "nodes": 2, "subnets": aws.subnets[:2]},
    ):
        before = {key: changed[key] for key in ("warehouse", "identity")}
        command.set(**before)
        for each in ("plan", "up", "outputs", "status"):
            command(each)
        _change_by_hand(aws)
        command.set(node_security_groups=[nodes], **changed)
        command("up")
        aws.upload(STAGING, "sparkify/events/part")
        with aws.quietly():
            aws.client("s3").delete_bucket_policy(Bucket=STAGING)  # moto would refuse to delete, as in upload
        command("down", "--yes", "--delete-data")
    assert _called(aws) == _listed()
