"""What `sparkify-aws` makes, and that it makes it from whatever is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.helm.rendering import JOBS, render
from tests.provision.aws import ID, REGION, Aws, state
from tests.provision.conftest import Command

SOURCE = f"sparkify-source-{ID}-{REGION}"
STAGING = f"sparkify-staging-{ID}-{REGION}"
WORKER, COPY = f"arn:aws:iam::{ID}:role/sparkify-worker", f"arn:aws:iam::{ID}:role/sparkify-copy"


def test_plan_says_what_up_would_make_and_what_it_costs_and_touches_nothing(
    aws: Aws, command: Command
) -> None:
    said = command("plan")
    assert said.count("make    ") == 14
    assert f"make    bucket {SOURCE}\n" in said
    # 8 RPUs for 10 minutes a day, 0.375 an RPU-hour; 10 GB in both; the owner's password
    assert "     15.21  8 RPUs for 10 minutes a day: 41 × 0.375 per RPU-hour of Redshift Serverless" in said
    assert "list prices of US East, N. Virginia, written down on 2026-11-28:\n" in said
    assert "per RPU-hour of Redshift Serverless (list price of 2025, read in AWS Big Data Blog, " in said
    for unit, source in (
        ("GB-month of Redshift managed storage", "https://aws.amazon.com/redshift/pricing/"),
        ("GB-month of S3 Standard", "https://aws.amazon.com/s3/pricing/"),
        ("month of a secret in Secrets Manager", "https://aws.amazon.com/secrets-manager/pricing/"),
    ):
        assert f"per {unit} (list price of 2025, not read at its source, {source})\n" in said
    assert "     16.08  together, without EKS and Airflow's database" in said
    assert "    182.50  is the most that queries can cost: 16 RPU-hours a day" in said
    assert [str(call) for call in aws.faults.calls if not call.is_reading] == []


def test_up_makes_everything_and_a_second_up_nothing(aws: Aws, command: Command) -> None:
    assert "14 of 14 made or changed" in command("up")
    aws.faults.calls.clear()
    assert "0 of 14 made or changed" in command("up")
    assert [str(call) for call in aws.faults.calls if not call.is_reading] == []
    assert command("status").count("as wanted  ") == 14


def test_only_the_nodes_reach_the_warehouse_which_is_not_public(aws: Aws, command: Command) -> None:
    command("up")
    (workgroup,) = aws.serverless.workgroups.values()
    assert workgroup["publiclyAccessible"] is False
    assert {"parameterKey": "require_ssl", "parameterValue": "true"} in workgroup["configParameters"]
    with aws.quietly():
        answer = aws.client("ec2").describe_security_groups(GroupIds=workgroup["securityGroupIds"])
    (rule,) = answer["SecurityGroups"][0]["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 5439, 5439)
    assert [each["GroupId"] for each in rule["UserIdGroupPairs"]] == [aws.nodes]
    assert rule["IpRanges"] == rule.get("Ipv6Ranges", []) == rule.get("PrefixListIds", []) == []


def test_queries_have_a_limit(aws: Aws, command: Command) -> None:
    command.set(daily_rpu_hours=3)
    command("up")
    (limit,), (workgroup,) = aws.serverless.limits.values(), aws.serverless.workgroups.values()
    assert (limit["resourceArn"], limit["usageType"]) == (workgroup["workgroupArn"], "serverless-compute")
    assert (limit["amount"], limit["period"], limit["breachAction"]) == (3, "daily", "deactivate")


def test_copy_reads_the_source_and_staging_and_nothing_else(aws: Aws, command: Command) -> None:
    command("up")
    actions, resources = _allowed(aws, "sparkify-copy")
    assert actions == {"s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"}
    assert resources == {
        f"arn:aws:s3:::{SOURCE}",
        f"arn:aws:s3:::{SOURCE}/log_data/*",
        f"arn:aws:s3:::{SOURCE}/song_data/*",
        f"arn:aws:s3:::{STAGING}",
        f"arn:aws:s3:::{STAGING}/sparkify/*",
    }


def test_the_worker_writes_staging_only_and_logs_in_to_its_workgroup_only(aws: Aws, command: Command) -> None:
    command("up")
    with aws.quietly():
        policy = aws.client("iam").get_role_policy(RoleName="sparkify-worker", PolicyName="access")
    writing = [each for each in policy["PolicyDocument"]["Statement"] if "s3:PutObject" in each["Action"]]
    assert [each["Resource"] for each in writing] == [[f"arn:aws:s3:::{STAGING}/sparkify/*"]]
    (workgroup,) = aws.serverless.workgroups.values()
    login = [each for each in policy["PolicyDocument"]["Statement"] if "redshift" in str(each["Action"])]
    assert [each["Resource"] for each in login] == [workgroup["workgroupArn"]]
    assert {(each["serviceAccount"], each["roleArn"]) for each in aws.identities.all.values()} == {
        ("sparkify-worker", WORKER),
        ("sparkify-scheduler", f"arn:aws:iam::{ID}:role/sparkify-logs"),
        ("sparkify-api-server", f"arn:aws:iam::{ID}:role/sparkify-logs"),
    }


def test_the_warehouse_gets_tables_roles_and_users_without_a_password(aws: Aws, command: Command) -> None:
    command.set(readers=["Analysts"])
    command("up")
    ran = aws.data.ran
    assert any("create table if not exists songplays" in each for each in ran)
    for statement in (
        "made role sparkify_loader",
        "made role sparkify_reader",
        'create user "IAMR:sparkify-worker" password disable',
        'grant role sparkify_loader to "IAMR:sparkify-worker"',
        'create user "IAMR:Analysts" password disable',
        'grant role sparkify_reader to "IAMR:Analysts"',
        f"grant assumerole on '{COPY}' to role sparkify_loader for copy",
    ):
        assert statement in ran, statement


def test_a_changed_setting_changes_what_it_is_about_and_nothing_else(aws: Aws, command: Command) -> None:
    command("up")
    command.set(base_rpus=16, parts_days=7)
    assert "change  workgroup sparkify: baseCapacity" in command("plan")
    aws.faults.calls.clear()
    command("up")
    assert [str(call) for call in aws.faults.calls if not call.is_reading] == [
        f"PutBucketLifecycleConfiguration {STAGING}",
        "UpdateWorkgroup sparkify",
    ]
    (workgroup,) = aws.serverless.workgroups.values()
    assert workgroup["baseCapacity"] == 16


def test_up_takes_back_what_someone_opened(aws: Aws, command: Command) -> None:
    command("up")
    wanted = state(aws)
    (workgroup,) = aws.serverless.workgroups.values()
    with aws.quietly():
        aws.client("ec2").authorize_security_group_ingress(
            GroupId=workgroup["securityGroupIds"][0],
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            ],
        )
        aws.client("s3").delete_public_access_block(Bucket=SOURCE)
    said = command("up")
    assert "change  security group sparkify-warehouse: open to tcp 5439 0.0.0.0/0" in said
    assert f"change  bucket {SOURCE}: public access" in said
    assert state(aws) == wanted


def test_down_asks_and_keeps_what_is_in_the_buckets_and_a_final_snapshot(aws: Aws, command: Command) -> None:
    command("up")
    aws.upload(SOURCE, "log_data/2018/11/2018-11-01-events.json")
    assert command.error("down", code=64) == (
        "sparkify-aws down: removes sparkify, but for buckets that are not empty; a final snapshot "
        "is kept; say --yes if you mean it"
    )
    said = command("down", "--yes")
    assert f"kept, it is not empty: bucket {SOURCE}" in said
    assert "kept: the final snapshot sparkify-final-00000001" in said
    assert "13 removed; nothing else with the tag is left" in said
    assert aws.serverless.snapshots == ["sparkify-final-00000001"]
    assert set(state(aws)) == {f"bucket {SOURCE}"}
    with aws.quietly():
        aws.client("s3").delete_bucket_policy(Bucket=SOURCE)  # moto would refuse to delete, as in upload
    said = command("down", "--yes", "--delete-data")
    assert "1 removed; nothing with the tag is left" in said
    assert state(aws) == {}


def test_down_with_delete_data_leaves_no_snapshot(aws: Aws, command: Command) -> None:
    command("up")
    command("down", "--yes", "--delete-data")
    assert aws.serverless.snapshots == []
    assert state(aws) == {}


def test_one_s_own_source_bucket_is_read_and_left_alone(aws: Aws, command: Command) -> None:
    with aws.quietly():
        aws.client("s3").create_bucket(
            Bucket="music", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    command.set(source="s3://music/raw")
    command("up")
    _, resources = _allowed(aws, "sparkify-copy")
    assert "arn:aws:s3:::music/raw/log_data/*" in resources
    command("down", "--yes", "--delete-data")
    assert not [call for call in aws.faults.calls if "music" in call.subject]


@pytest.mark.parametrize("identity", ["pod-identity", "irsa"])
@pytest.mark.parametrize("warehouse", ["serverless", "provisioned"])
def test_the_chart_takes_what_outputs_prints(
    aws: Aws, command: Command, alone: Path, identity: str, warehouse: str
) -> None:
    command.set(identity=identity, warehouse=warehouse)
    if identity == "irsa":
        aws.know_issuer()
    assert "not there, or not as wanted: bucket" in command.error("outputs", code=1)
    command("up")
    values = yaml.safe_load(command("outputs", "-o", "values"))
    assert values == json.loads(command("outputs", "-o", "json"))
    objects = render(alone, "eks", values)
    data = objects.one("ConfigMap", "sparkify-worker")["data"]
    assert data["SPARKIFY_SOURCE"] == f"s3://{SOURCE}"
    assert data["SPARKIFY_STAGING"] == f"s3://{STAGING}/sparkify"
    assert data["SPARKIFY_COPY_ROLE"] == COPY
    kind = "WORKGROUP" if warehouse == "serverless" else "CLUSTER"
    assert data[f"SPARKIFY_WAREHOUSE_{kind}"] == "sparkify"
    assert objects.one("ServiceAccount", "sparkify-worker")["metadata"].get("annotations", {}) == (
        {"eks.amazonaws.com/role-arn": WORKER} if identity == "irsa" else {}
    )
    assert (JOBS, "sparkify-worker") in objects.names("ServiceAccount")


def _allowed(aws: Aws, role: str) -> tuple[set[str], set[str]]:
    """Actions and resources that a role's policy allows."""
    with aws.quietly():
        policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="access")["PolicyDocument"]
    actions: set[str] = set()
    resources: set[str] = set()
    for each in policy["Statement"]:
        actions |= {each["Action"]} if isinstance(each["Action"], str) else set(each["Action"])
        resources |= {each["Resource"]} if isinstance(each["Resource"], str) else set(each["Resource"])
    return actions, resources


@pytest.mark.parametrize(("warehouse", "things"), [("serverless", 14), ("provisioned", 13)])
def test_up_and_down_over_http(
    served: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str], warehouse: str, things: int
) -> None:
    command = Command(served, tmp_path, capsys)
    command.set(warehouse=warehouse)
    assert f"{things} of {things} made or changed" in command("up")
    assert f"0 of {things} made or changed" in command("up")
    assert f"{things} removed; nothing else with the tag is left" in command("down", "--yes")
    assert state(served) == {}
