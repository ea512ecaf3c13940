"""What someone else has under a name of ours is never touched, whatever it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.provision.aws import CLUSTER, ID, REGION, Aws, Call
from tests.provision.conftest import Command

ROLE = f"arn:aws:iam::{ID}:role/theirs"
LIMIT = "usage limit sparkify, RPU-hours a day"


def _bucket(what: str) -> Callable[[Aws], None]:
    def make(aws: Aws) -> None:
        name = f"sparkify-{what}-{ID}-{REGION}"
        aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    return make


def _role(what: str) -> Callable[[Aws], None]:
    def make(aws: Aws) -> None:
        aws.client("iam").create_role(RoleName=f"sparkify-{what}", AssumeRolePolicyDocument="{}")

    return make


def _security_group(aws: Aws) -> None:
    group = aws.client("ec2").create_security_group(
        GroupName="sparkify-warehouse", Description="theirs", VpcId=aws.vpc
    )
    world = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    aws.client("ec2").authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[world])


def _namespace(aws: Aws, name: str = "sparkify") -> None:
    aws.client("redshift-serverless").create_namespace(
        namespaceName=name,
        adminUsername="theirs",
        dbName="theirs",
        iamRoles=[ROLE],
        defaultIamRoleArn=ROLE,
        tags=[],
    )


def _workgroup(aws: Aws) -> None:
    """In a namespace of theirs, too, with a limit."""
    _namespace(aws, "theirs")
    redshift = aws.client("redshift-serverless")
    made = redshift.create_workgroup(
        workgroupName="sparkify", namespaceName="theirs", port=5439, configParameters=[], tags=[]
    )
    redshift.create_usage_limit(
        resourceArn=made["workgroup"]["workgroupArn"],
        usageType="serverless-compute",
        period="daily",
        amount=1,
        breachAction="log",
    )


def _subnet_group(aws: Aws) -> None:
    aws.client("redshift").create_cluster_subnet_group(
        ClusterSubnetGroupName="sparkify", Description="theirs", SubnetIds=aws.subnets[:1]
    )


def _cluster(aws: Aws) -> None:
    aws.client("redshift").create_cluster(
        ClusterIdentifier="sparkify",
        NodeType="ra3.xlplus",
        MasterUsername="theirs",
        MasterUserPassword="Theirs-1",
        ClusterType="single-node",
    )


def _association(aws: Aws) -> None:
    aws.client("eks").create_pod_identity_association(
        clusterName=CLUSTER,
        namespace="sparkify-jobs",
        serviceAccount="sparkify-worker",
        roleArn=ROLE,
        tags={},
    )


# What they have, how `up` calls it, and the kind of warehouse and the call by which `up` would make ours.
THEIRS = [
    (
        _bucket("source"),
        f"bucket sparkify-source-{ID}-{REGION}",
        "serverless",
        f"CreateBucket sparkify-source-{ID}-{REGION}",
    ),
    (
        _bucket("staging"),
        f"bucket sparkify-staging-{ID}-{REGION}",
        "serverless",
        f"CreateBucket sparkify-staging-{ID}-{REGION}",
    ),
    (
        _bucket("logs"),
        f"bucket sparkify-logs-{ID}-{REGION}",
        "serverless",
        f"CreateBucket sparkify-logs-{ID}-{REGION}",
    ),
    (_role("copy"), "role sparkify-copy", "serverless", "CreateRole sparkify-copy"),
    (_role("worker"), "role sparkify-worker", "serverless", "CreateRole sparkify-worker"),
    (_role("logs"), "role sparkify-logs", "serverless", "CreateRole sparkify-logs"),
    (
        _security_group,
        "security group sparkify-warehouse",
        "serverless",
        "CreateSecurityGroup sparkify-warehouse",
    ),
    (_namespace, "namespace sparkify", "serverless", "CreateNamespace sparkify"),
    (_workgroup, f"workgroup sparkify, {LIMIT}", "serverless", "CreateWorkgroup sparkify sparkify"),
    (_subnet_group, "subnet group sparkify", "provisioned", "CreateClusterSubnetGroup sparkify"),
    (_cluster, "cluster sparkify", "provisioned", "CreateCluster sparkify sparkify"),
    (
        _association,
        "pod identity sparkify-jobs/sparkify-worker",
        "serverless",
        "CreatePodIdentityAssociation sparkify-worker",
    ),
]
EACH = pytest.mark.parametrize(
    ("theirs", "name", "warehouse", "making"), THEIRS, ids=[name for _, name, _, _ in THEIRS]
)


def _changes(aws: Aws) -> list[str]:
    return [str(call) for call in aws.faults.calls if not call.is_reading]


@EACH
def test_no_command_touches_what_is_someone_else_s(
    aws: Aws, command: Command, theirs: Callable[[Aws], None], name: str, warehouse: str, making: str
) -> None:
    command.set(warehouse=warehouse)
    with aws.quietly():
        theirs(aws)
    assert command.error("up", code=1) == (
        f"sparkify-aws up: {name}: there already, without the tag sparkify:stack=sparkify, so someone "
        "else's; nothing was touched: choose another prefix"
    )
    assert command.error("plan", code=1) == (
        f"sparkify-aws plan: {name}: someone else's; up will touch nothing: choose another prefix"
    )
    said = command("down", "--yes", "--delete-data")
    for each in [name] if LIMIT not in name else name.split(", ", 1):
        assert f"not touched, someone else's: {each}\n" in said
        assert f"someone else's  {each}\n" in command("status")
    assert _changes(aws) == []


def _ended(aws: Aws, command: Command, theirs: Callable[[Aws], None], when: Callable[[], bool]) -> str:
    """Have it appear in the midst of `up`, which changes nothing from then on; returns its last line."""
    there: list[int] = []

    def appear(_: Call) -> None:
        if not there and when():
            with aws.quietly():
                theirs(aws)
            there.append(len(_changes(aws)))

    aws.faults.before = aws.faults.after = appear
    line = command.error("up", code=1)
    assert there == [len(_changes(aws))]
    return line


def test_all_that_is_someone_else_s_is_named_in_one_line(aws: Aws, command: Command) -> None:
    with aws.quietly():
        _bucket("source")(aws)
        _role("copy")(aws)
    line = command.error("up", code=1)
    assert f"bucket sparkify-source-{ID}-{REGION}, role sparkify-copy: there already" in line


@pytest.mark.parametrize(
    ("theirs", "name", "warehouse", "making"), THEIRS[1:], ids=[name for _, name, _, _ in THEIRS[1:]]
)
def test_what_appears_as_someone_else_s_before_it_is_made_is_not_taken_for_ours(
    aws: Aws, command: Command, theirs: Callable[[Aws], None], name: str, warehouse: str, making: str
) -> None:
    command.set(warehouse=warehouse)
    command("up")
    before = _changes(aws).index(making)
    command("down", "--yes", "--delete-data")
    aws.faults.calls.clear()
    line = _ended(aws, command, theirs, lambda: len(_changes(aws)) == before)
    assert line == f"sparkify-aws up: {name.split(', ')[0]} is someone else's: choose another prefix"


@EACH
def test_what_appears_as_someone_else_s_while_it_is_made_is_not_taken_for_ours(
    aws: Aws, command: Command, theirs: Callable[[Aws], None], name: str, warehouse: str, making: str
) -> None:
    command.set(warehouse=warehouse)
    line = _ended(aws, command, theirs, lambda: _changes(aws)[-1:] == [making])
    assert "choose another prefix" in line
