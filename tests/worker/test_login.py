"""How a worker logs in: by password, or by IAM to a workgroup or a cluster; never by lasting keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from redshift_sandbox import Endpoint
from tests.star.conftest import Pipeline
from tests.star.conftest import pipeline as pipeline
from tests.worker.aws_api import KEYS, AwsApi, answering
from tests.worker.staging import DAY, line

WAYS = {
    "serverless": {"SPARKIFY_WAREHOUSE_WORKGROUP": "plays"},
    "provisioned": {"SPARKIFY_WAREHOUSE_CLUSTER": "plays"},
}


@pytest.fixture
def api(sandbox: Endpoint) -> Iterator[AwsApi]:
    with answering(sandbox) as api:
        yield api


def fault(connection: Any, **wanted: object) -> None:
    connection.autocommit = True
    connection.cursor().execute(f"call sandbox.fault('{json.dumps(wanted)}')")


def passwords(api: AwsApi) -> list[dict[str, str]]:
    """The calls that gave one."""
    return [
        call
        for call in api.asked
        if call["call"].endswith(("GetCredentials", "GetClusterCredentialsWithIAM"))
        and "CustomDomainName" not in call
    ]


def test_a_day_is_loaded_with_a_password_that_the_workgroup_gives(
    pipeline: Pipeline, api: AwsApi, warehouse: Any, database: str
) -> None:
    pipeline.put_day(DAY, line() + "\n")
    pipeline.day(DAY, **api.environment, **WAYS["serverless"])
    cursor = warehouse.cursor()
    cursor.execute("select count(*) from songplays")
    assert cursor.fetchone() == [1]
    asked = {json.dumps(call, sort_keys=True) for call in passwords(api)}
    assert asked == {
        json.dumps(
            {"call": "RedshiftServerless.GetCredentials", "dbName": database, "workgroupName": "plays"},
            sort_keys=True,
        )
    }


def test_a_day_is_loaded_with_a_password_that_the_cluster_gives(
    pipeline: Pipeline, api: AwsApi, warehouse: Any, database: str
) -> None:
    pipeline.put_day(DAY, line() + "\n")
    pipeline.day(DAY, **api.environment, **WAYS["provisioned"])
    cursor = warehouse.cursor()
    cursor.execute("select count(*) from songplays")
    assert cursor.fetchone() == [1]
    for call in passwords(api):
        assert (call["DbName"], call["ClusterIdentifier"]) == (database, "plays")


@pytest.mark.parametrize("way", WAYS)
def test_each_connection_has_a_password_of_its_own_so_that_none_expires(
    pipeline: Pipeline, api: AwsApi, warehouse: Any, way: str
) -> None:
    api.seconds = -1  # what was given is of no use later
    pipeline.put_day(DAY, line() + "\n")
    by_iam = {**api.environment, **WAYS[way]}
    pipeline.done("stage", "events", "--date", DAY, **by_iam)
    before = len(passwords(api))
    fault(warehouse, action="drop", when="before", match="insert into songplays")
    ended = pipeline.done("load", "--date", DAY, **by_iam)
    assert "repeating the whole transaction" in ended.log
    assert len(passwords(api)) == before + 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("failure", "code", "advice"),
    [
        ((403, "AccessDeniedException", "not allowed"), 64, "; the worker's role needs redshift"),
        ((403, "ExpiredTokenException", "is over"), 64, "and AWS_REGION must be right"),
        ((404, "ResourceNotFoundException", "no such name"), 64, "and AWS_REGION must be right"),
        ((400, "ThrottlingException", "too many"), 75, ""),
        ((500, "InternalServerException", "try again"), 75, ""),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_password_that_aws_does_not_give_is_one_line(
    pipeline: Pipeline, api: AwsApi, way: str, failure: tuple[int, str, str], code: int, advice: str
) -> None:
    api.failure = failure
    ended = pipeline.run("load", "--date", DAY, **api.environment, **WAYS[way])
    assert ended.code == code, ended.log
    assert f"AWS gave no password: {failure[2]} ({failure[1]})" in ended.log
    assert advice in ended.log
    assert len(ended.log.splitlines()) == 1


def test_an_aws_that_does_not_answer_is_a_passing_failure(pipeline: Pipeline, api: AwsApi) -> None:
    away = {"AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": "http://127.0.0.1:1"}
    ended = pipeline.run("load", "--date", DAY, **{**api.environment, **WAYS["serverless"], **away})
    assert ended.code == 75
    assert "AWS gave no password: Could not connect to the endpoint URL" in ended.log
    assert len(ended.log.splitlines()) == 1


def test_without_aws_credentials_there_is_no_login_by_iam(pipeline: Pipeline, api: AwsApi) -> None:
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    ended = pipeline.run("load", "--date", DAY, **{**api.environment, **WAYS["serverless"], **none})
    assert ended.code == 64
    assert "there are no AWS credentials; give the pod's ServiceAccount a role" in ended.log
    assert len(ended.log.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "none is set"),
        (
            {"SPARKIFY_WAREHOUSE_PASSWORD": "canary", "SPARKIFY_WAREHOUSE_CLUSTER": "plays"},
            "SPARKIFY_WAREHOUSE_PASSWORD and SPARKIFY_WAREHOUSE_CLUSTER are set",
        ),
        (
            {"SPARKIFY_WAREHOUSE_WORKGROUP": "plays", "SPARKIFY_WAREHOUSE_CLUSTER": "plays"},
            "SPARKIFY_WAREHOUSE_WORKGROUP and SPARKIFY_WAREHOUSE_CLUSTER are set",
        ),
    ],
    ids=["none", "password and cluster", "workgroup and cluster"],
)
def test_there_is_exactly_one_way_to_log_in(pipeline: Pipeline, given: dict[str, str], said: str) -> None:
    ended = pipeline.run("load", "--date", DAY, **{"SPARKIFY_WAREHOUSE_PASSWORD": "", **given})
    assert ended.code == 64
    ways = "SPARKIFY_WAREHOUSE_PASSWORD, SPARKIFY_WAREHOUSE_WORKGROUP, SPARKIFY_WAREHOUSE_CLUSTER"
    assert f"settings: set one of {ways}: {said}" in ended.log
    assert "canary" not in ended.log


AWS = {"AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com"}


@pytest.mark.parametrize(
    "environment",
    [
        {**AWS, "AWS_ACCESS_KEY_ID": "ASIAAAAAAAAAAAAAAAAA"},
        {**AWS, **KEYS, "AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA"},
        {"AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL_S3": "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com."},
        {"AWS_ENDPOINT_URL_S3": "https://s3.cn-north-1.amazonaws.com.cn"},
        {"AWS_ENDPOINT_URL_S3": "https://s3.eusc-de-east-1.amazonaws.eu"},
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"SPARKIFY_WAREHOUSE_PASSWORD": "", "SPARKIFY_WAREHOUSE_WORKGROUP": "plays"},
        {"SPARKIFY_WAREHOUSE_PASSWORD": "", "SPARKIFY_WAREHOUSE_CLUSTER": "plays"},
    ],
    ids=[
        *("no token", "AKIA", "AWS by name", "an endpoint of AWS", "AWS in China", "AWS in Europe"),
        *("an endpoint that is ignored", "a login at AWS to a workgroup", "a login at AWS to a cluster"),
    ],
)
def test_keys_that_do_not_expire_are_refused_where_aws_is_spoken_to(
    pipeline: Pipeline, environment: dict[str, str]
) -> None:
    ended = pipeline.run("load", "--date", DAY, **environment)
    assert ended.code == 64
    assert "settings: AWS_ACCESS_KEY_ID is a key that does not expire: give the pod's Serv" in ended.log
    assert len(ended.log.splitlines()) == 1


def test_keys_of_a_role_are_taken(pipeline: Pipeline) -> None:
    ended = pipeline.run("load", "--date", DAY, **{**AWS, **KEYS, "SPARKIFY_WAREHOUSE_PORT": "1"})
    assert ended.code == 75
    assert "cannot be reached" in ended.log


def test_a_certificate_of_another_name_is_not_trusted(pipeline: Pipeline) -> None:
    ended = pipeline.run("load", "--date", DAY, SPARKIFY_WAREHOUSE_HOST="127.1")  # is 127.0.0.1
    assert ended.code == 64
    assert "its certificate is not trusted" in ended.log
    assert "ostname mismatch" in ended.log
    assert len(ended.log.splitlines()) == 1
