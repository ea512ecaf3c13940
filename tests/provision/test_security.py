"""Who may do what with what `up` has made: each policy, to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from tests.provision.aws import CLUSTER, ID, REGION, Aws
from tests.provision.conftest import Command

SOURCE, STAGING, LOGS = (f"sparkify-{each}-{ID}-{REGION}" for each in ("source", "staging", "logs"))
PODS = {
    "sparkify-worker": {"sparkify-jobs": ["sparkify-worker"]},
    "sparkify-logs": {"sparkify": ["sparkify-scheduler", "sparkify-api-server"]},
}
NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def _trust(aws: Aws, role: str) -> Any:
    with aws.quietly():
        document = aws.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = document["Statement"]
    return statement


def test_copy_s_role_is_for_redshift_of_this_account_alone(aws: Aws, command: Command) -> None:
    command("up")
    assert _trust(aws, "sparkify-copy") == {
        "Effect": "Allow",
        "Principal": {"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": ID}},
    }


@pytest.mark.parametrize("role", PODS)
def test_by_pod_identity_a_role_is_for_pods_of_its_service_accounts_alone(
    aws: Aws, command: Command, role: str
) -> None:
    command("up")
    ((namespace, accounts),) = PODS[role].items()
    assert _trust(aws, role) == {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {
                "aws:SourceAccount": ID,
                "aws:RequestTag/eks-cluster-name": CLUSTER,
                "aws:RequestTag/kubernetes-namespace": [namespace],
                "aws:RequestTag/kubernetes-service-account": sorted(accounts),
            }
        },
    }


@pytest.mark.parametrize("role", PODS)
def test_by_irsa_a_role_is_for_the_cluster_s_tokens_of_its_service_accounts_alone(
    aws: Aws, command: Command, role: str
) -> None:
    issuer = aws.know_issuer().removeprefix("https://")
    command.set(identity="irsa")
    command("up")
    ((namespace, accounts),) = PODS[role].items()
    assert _trust(aws, role) == {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ID}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": [f"system:serviceaccount:{namespace}:{each}" for each in accounts],
            }
        },
    }


def _listing(bucket: str, prefixes: list[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": {"StringLike": {"s3:prefix": prefixes}},
    }


@pytest.mark.parametrize(
    ("role", "listings"),
    [
        (
            "sparkify-copy",
            [_listing(SOURCE, ["log_data/*", "song_data/*"]), _listing(STAGING, ["sparkify/*"])],
        ),
        (
            "sparkify-worker",
            [_listing(SOURCE, ["log_data/*", "song_data/*"]), _listing(STAGING, ["sparkify/*"])],
        ),
        ("sparkify-logs", [_listing(LOGS, ["airflow/*"])]),
    ],
)
def test_a_role_lists_its_own_prefixes_only(
    aws: Aws, command: Command, role: str, listings: list[dict[str, Any]]
) -> None:
    command("up")
    with aws.quietly():
        policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="access")["PolicyDocument"]
        names = aws.client("iam").list_role_policies(RoleName=role)["PolicyNames"]
        attached = aws.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [each for each in policy["Statement"] if "s3:ListBucket" in each["Action"]] == listings
    assert (names, attached) == (["access"], [])


def test_airflow_writes_and_reads_the_tasks_logs_and_nothing_else(aws: Aws, command: Command) -> None:
    command("up")
    with aws.quietly():
        policy = aws.client("iam").get_role_policy(RoleName="sparkify-logs", PolicyName="access")
    assert policy["PolicyDocument"]["Statement"] == [
        _listing(LOGS, ["airflow/*"]),
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": f"arn:aws:s3:::{LOGS}"},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": [f"arn:aws:s3:::{LOGS}/airflow/*"],
        },
    ]


@pytest.mark.parametrize(
    ("bucket", "expiring"),
    [(SOURCE, {}), (STAGING, {"sparkify/events/": 30, "sparkify/songs/": 30}), (LOGS, {"airflow/": 90})],
)
def test_a_bucket_is_not_public_refuses_requests_without_tls_and_lets_go_what_is_old(
    aws: Aws, command: Command, bucket: str, expiring: dict[str, int]
) -> None:
    command("up")
    state = aws.bucket(bucket)
    assert state["public access"] == NOT_PUBLIC
    assert state["policy"]["Statement"] == [
        {
            "Sid": "OnlyOverTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    rules = {each["ID"]: each for each in state["rules"]}
    assert all(each["Status"] == "Enabled" for each in rules.values())
    assert rules.pop("uploads that were broken off")["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": 7
    }
    assert {each["Filter"]["Prefix"]: each["Expiration"]["Days"] for each in rules.values()} == expiring


def test_a_provisioned_cluster_is_not_public_encrypted_and_open_to_the_nodes_alone(
    aws: Aws, command: Command
) -> None:
    command.set(warehouse="provisioned")
    command("up")
    with aws.quietly():
        (cluster,) = aws.client("redshift").describe_clusters()["Clusters"]
        (group,) = [each["VpcSecurityGroupId"] for each in cluster["VpcSecurityGroups"]]
        answer = aws.client("ec2").describe_security_groups(GroupIds=[group])
    assert cluster["PubliclyAccessible"] is False
    assert cluster["Encrypted"] is True
    (rule,) = answer["SecurityGroups"][0]["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 5439, 5439)
    assert [each["GroupId"] for each in rule["UserIdGroupPairs"]] == [aws.nodes]
    assert rule["IpRanges"] == rule.get("Ipv6Ranges", []) == rule.get("PrefixListIds", []) == []


def test_up_makes_private_again_a_cluster_that_someone_made_public(aws: Aws, command: Command) -> None:
    command.set(warehouse="provisioned")
    command("up")
    with aws.quietly():
        redshift = aws.client("redshift")
        redshift.modify_cluster(ClusterIdentifier="sparkify", PubliclyAccessible=True)
    assert "change  cluster sparkify: public" in command("up")
    with aws.quietly():
        assert redshift.describe_clusters()["Clusters"][0]["PubliclyAccessible"] is False


@pytest.mark.parametrize("role", ["sparkify-copy", *PODS])
def test_up_takes_back_a_trust_or_an_access_that_someone_widened(
    aws: Aws, command: Command, role: str
) -> None:
    command("up")
    narrow = _trust(aws, role)
    wide = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    with aws.quietly():
        iam = aws.client("iam")
        access = iam.get_role_policy(RoleName=role, PolicyName="access")["PolicyDocument"]
        anyone = wide.replace('"Resource": "*"', '"Principal": {"AWS": "*"}').replace(
            '"*",', '"sts:AssumeRole",'
        )
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=anyone)
        iam.put_role_policy(RoleName=role, PolicyName="access", PolicyDocument=wide)
    assert f"change  role {role}: trust, access" in command("up")
    assert _trust(aws, role) == narrow
    with aws.quietly():
        assert iam.get_role_policy(RoleName=role, PolicyName="access")["PolicyDocument"] == access
