"""What the chart tells the worker and the DAGs, and what these two ask for."""

from __future__ import annotations

import ast
import base64
import re
from pathlib import Path
from typing import Any

import pytest

from helm.render import CHART
from sparkify.errors import UsageError
from sparkify.settings import Settings
from tests.helm.rendering import JOBS, NAMESPACE, Objects, Values, refusal, render
from tests.helm.test_values import SCHEMA, VALUES

ROOT = Path(__file__).parents[2]
VARIABLES = Settings.variables()
SECRET = {name for name, setting in VARIABLES.items() if setting["secret"]}

ELSEWHERE = {
    "SPARKIFY_SQL",  # in the image
    "SPARKIFY_NOTICE_EMAIL",  # by global.notices.email, for freshness's pod alone
}
# Read by the AWS libraries and by Python, not by the worker's own code.
LIBRARIES = {"AWS_ENDPOINT_URL_S3", "AWS_ALLOW_HTTP", "SSL_CERT_FILE"}
LIBRARIES_SECRET = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def config(objects: Objects) -> dict[str, str]:
    """What the worker pods get from the ConfigMap."""
    made = objects.one("ConfigMap", "sparkify-worker")
    assert made["metadata"]["namespace"] == JOBS
    return dict(made["data"])


def secret(objects: Objects) -> dict[str, str]:
    """What the worker pods get from the Secret."""
    if (JOBS, "sparkify-worker") in objects.names("ExternalSecret"):
        made = objects.one("ExternalSecret", "sparkify-worker")
        data = {each["secretKey"]: "from the store" for each in made["spec"]["data"]}
    else:
        made = objects.one("Secret", "sparkify-worker")
        data = {name: base64.b64decode(value).decode() for name, value in (made["data"] or {}).items()}
    assert made["metadata"]["namespace"] == JOBS
    return data


@pytest.fixture(params=["kind", "eks"])
def profile(request: pytest.FixtureRequest) -> Objects:
    made: Objects = request.getfixturevalue(request.param)
    return made


def test_a_worker_accepts_what_it_is_told(profile: Objects) -> None:
    settings = Settings.from_env({**config(profile), **secret(profile)})
    assert settings.password
    assert settings.port == 5439


def test_a_worker_is_told_nothing_that_nobody_reads(profile: Objects) -> None:
    assert set(config(profile)) <= set(VARIABLES) - SECRET - ELSEWHERE | LIBRARIES
    assert set(secret(profile)) <= SECRET | LIBRARIES_SECRET
    assert "SPARKIFY_WAREHOUSE_PASSWORD" in secret(profile)


def test_every_setting_that_is_no_secret_can_be_set_and_no_other() -> None:
    settings = SCHEMA["properties"]["worker"]["properties"]["settings"]["properties"]
    assert set(settings) == set(VARIABLES) - SECRET - ELSEWHERE | LIBRARIES


GOOD = {
    "SPARKIFY_SOURCE": ["s3://bucket", "s3://bucket/a/b/"],
    "SPARKIFY_STAGING": ["s3://bucket", "s3://bucket/a/b/", f"s3://bucket/{'p' * 138}"],
    "SPARKIFY_COPY_ROLE": ["default", "arn:aws:iam::123456789012:role/a/b"],
    "SPARKIFY_WAREHOUSE_HOST": ["example.eu-west-1.redshift.amazonaws.com"],
    "SPARKIFY_WAREHOUSE_PORT": [1, 65535],
    "SPARKIFY_WAREHOUSE_DATABASE": ["dev"],
    "SPARKIFY_WAREHOUSE_USER": ["awsuser", "IAM:plays", "IAMR:plays"],
    "SPARKIFY_WAREHOUSE_WORKGROUP": ["plays", "plays-2"],
    "SPARKIFY_WAREHOUSE_CLUSTER": ["plays", "plays-2"],
    "SPARKIFY_MAX_BAD_RATIO": [0, 0.00001, "0.00001", 1],
    "SPARKIFY_MISSING_DAY": ["fail", "empty"],
    "SPARKIFY_DUPLICATE_DAYS": [0, 30],
    "SPARKIFY_MATCH_TOLERANCE": [0, 0.5, 60],
    "SPARKIFY_CHECKS": ["deviations=6, songplays.volume.deviations=2.5", "events.freshness.severity=off"],
    "SPARKIFY_SLICES": [1, 4096],
    "SPARKIFY_PROCESSES": [1, 64],
    "SPARKIFY_STATEMENT_TIMEOUT": [1, 86400],
    "SPARKIFY_STATSD": ["statsd.monitoring.svc:9125"],
    "SPARKIFY_LOG": ["text", "json"],
    "AWS_REGION": ["eu-west-1", "us-gov-east-1"],
}
BAD: dict[str, list[Any]] = {
    "SPARKIFY_SOURCE": ["bucket", "https://bucket", "s3://", "s3:///a", "s3://b", "s3://bucket/a?b"],
    "SPARKIFY_STAGING": ["bucket", "s3://", "s3://bucket/a#b", f"s3://bucket/{'p' * 139}"],
    "SPARKIFY_COPY_ROLE": ["role", "arn:aws:iam::1:role/a", "arn:aws:iam::123456789012:user/a"],
    "SPARKIFY_WAREHOUSE_HOST": ["https://host"],
    "SPARKIFY_WAREHOUSE_PORT": [0, 65536],
    "SPARKIFY_WAREHOUSE_DATABASE": ["host/db", "host:db", "my db"],
    "SPARKIFY_WAREHOUSE_USER": ["user:word", "IAM:user:word", "my user"],
    "SPARKIFY_WAREHOUSE_WORKGROUP": ["Plays", "arn:aws:redshift"],
    "SPARKIFY_WAREHOUSE_CLUSTER": ["my_plays"],
    "SPARKIFY_MAX_BAD_RATIO": [-1, 1.5, "1%"],
    "SPARKIFY_MISSING_DAY": ["skip"],
    "SPARKIFY_DUPLICATE_DAYS": [-1, 31],
    "SPARKIFY_MATCH_TOLERANCE": [-0.5, 61],
    "SPARKIFY_CHECKS": ["deviations", "songplays.volume=off", "deviations=-1"],
    "SPARKIFY_SLICES": [0, 4097],
    "SPARKIFY_PROCESSES": [0, 65],
    "SPARKIFY_STATEMENT_TIMEOUT": [0, 86401],
    "SPARKIFY_STATSD": ["statsd", "http://statsd:9125", "statsd:0"],
    "SPARKIFY_LOG": ["xml"],
    "AWS_REGION": ["EU", "eu_west_1", "eu west 1"],
    "AWS_ENDPOINT_URL_S3": ["host", "s3://host", "https://host:0", "https://a b"],
}
# What somebody pastes into the wrong setting.
PASTED = [
    "user:Canary@host",
    "password=Canary",
    "postgresql://user:Canary@host/db",
    "https://user:Canary@host",
    "s3://user:Canary@bucket",
]


def _setting(name: str, value: object) -> Values:
    return {"worker": {"settings": {name: value}}}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in GOOD for value in GOOD[name]])
def test_what_the_chart_takes_the_worker_takes(alone: Path, eks: Objects, name: str, value: object) -> None:
    objects = render(alone, "eks", _setting(name, value))
    given = config(objects)
    Settings.from_env({**given, **secret(objects)})
    assert float(given[name]) == float(str(value)) if isinstance(value, float) else given[name] == str(value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_what_the_worker_would_refuse_the_chart_refuses(
    alone: Path, eks: Objects, name: str, value: object
) -> None:
    assert f"at '/worker/settings/{name}'" in refusal(alone, "eks", _setting(name, value))
    with pytest.raises(UsageError, match=name):
        Settings.from_env({**config(eks), **secret(eks), name: str(value)})


@pytest.mark.parametrize("name", [*sorted(GOOD), "AWS_ENDPOINT_URL_S3"])
def test_a_password_in_any_setting_is_refused_by_both_and_shown_by_neither(
    alone: Path, eks: Objects, name: str
) -> None:
    for text in PASTED:
        told = refusal(alone, "eks", _setting(name, text))
        assert f"at '/worker/settings/{name}'" in told
        with pytest.raises(UsageError, match=name) as raised:
            Settings.from_env({**config(eks), **secret(eks), name: text})
        assert "Canary" not in f"{told} {raised.value}"


def test_the_good_examples_are_of_every_setting() -> None:
    assert set(GOOD) == set(VARIABLES) - SECRET - ELSEWHERE


@pytest.mark.parametrize("name", ["SPARKIFY_WAREHOUSE_WORKGROUP", "SPARKIFY_WAREHOUSE_CLUSTER"])
def test_by_iam_the_pods_secret_is_empty_and_none_comes_from_the_store(alone: Path, name: str) -> None:
    objects = render(alone, "eks", _setting(name, "plays"))
    assert (JOBS, "sparkify-worker") not in objects.names("ExternalSecret")
    assert objects.one("Secret", "sparkify-worker")["data"] == {}
    settings = Settings.from_env(config(objects))
    assert (settings.password, settings.workgroup or settings.cluster) == ("", "plays")


def test_the_sandbox_is_where_the_worker_is_told(kind: Objects) -> None:
    given = config(kind)
    service = kind.one("Service", "sparkify-sandbox")
    host = f"sparkify-sandbox.{NAMESPACE}.svc"
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert given["SPARKIFY_WAREHOUSE_HOST"] == host
    assert int(given["SPARKIFY_WAREHOUSE_PORT"]) == ports["warehouse"]
    assert given["AWS_ENDPOINT_URL_S3"] == f"http://{host}:{ports['s3']}"
    (sandbox,) = kind.one("StatefulSet", "sparkify-sandbox")["spec"]["template"]["spec"]["containers"]
    buckets = [each.removeprefix("--bucket=") for each in sandbox["args"] if each.startswith("--bucket=")]
    assert [f"s3://{bucket}" for bucket in buckets] == [given["SPARKIFY_SOURCE"], given["SPARKIFY_STAGING"]]


def test_a_setting_overrides_what_the_sandbox_says(alone: Path) -> None:
    given = config(render(alone, "kind", _setting("SPARKIFY_WAREHOUSE_HOST", "elsewhere")))
    assert given["SPARKIFY_WAREHOUSE_HOST"] == "elsewhere"


# The DAGs' side, read without Airflow.
MODULES = {file.name: ast.parse(file.read_text()) for file in (ROOT / "dags").glob("*.py")}
CONSTANTS = {
    node.targets[0].id: node.value.value
    for module in MODULES.values()
    for node in module.body
    if isinstance(node, ast.Assign)
    and isinstance(node.targets[0], ast.Name)
    and isinstance(node.value, ast.Constant)
}


def test_the_dags_are_told_what_they_read_and_nothing_else() -> None:
    read = {
        found
        for name in MODULES
        for found in re.findall(r"\"(SPARKIFY_\w+)\"", (ROOT / "dags" / name).read_text())
    }
    told = set(re.findall(r"- name: (\w+)", VALUES["airflow"]["extraEnv"]))
    # The mail server's is read by Airflow, by the name of the connection.
    assert told - {f"AIRFLOW_CONN_{CONSTANTS['SMTP_CONNECTION'].upper()}"} == read
    assert read == {
        "SPARKIFY_WORKER_IMAGE",
        "SPARKIFY_WORKER_NAMESPACE",
        "SPARKIFY_RETRY_SECONDS",
        "SPARKIFY_NOTICE_URL",
        "SPARKIFY_NOTICE_EMAIL",
    }


def test_what_the_dags_name_is_made_in_the_pods_namespace(kind: Objects) -> None:
    assert (JOBS, CONSTANTS["SERVICE_ACCOUNT"]) in kind.names("ServiceAccount")
    assert (JOBS, CONSTANTS["CONFIG_MAP"]) in kind.names("ConfigMap")
    assert (JOBS, CONSTANTS["SECRET"]) in kind.names("Secret")
    assert (JOBS, CONSTANTS["AUTHORITIES"]) in kind.names("ConfigMap")


def test_a_triggerer_runs_exactly_if_a_task_is_deferred() -> None:
    deferred = {
        keyword.value.value
        for module in MODULES.values()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "deferrable" and isinstance(keyword.value, ast.Constant)
    }
    assert deferred == {VALUES["airflow"]["triggerer"]["enabled"]}


def test_the_pods_of_the_test_and_of_freshness_are_as_the_dags_pods(alone: Path) -> None:
    objects = render(alone, "kind", {"freshness": {"enabled": True}})
    pods = [pod for pod in objects.pods() if pod.name in ("sparkify-test", "sparkify-freshness")]
    assert len(pods) == 2
    for pod in pods:
        (container,) = pod.containers
        assert pod.namespace == JOBS
        assert pod.spec["serviceAccountName"] == CONSTANTS["SERVICE_ACCOUNT"]
        assert container["envFrom"] == [
            {"configMapRef": {"name": CONSTANTS["CONFIG_MAP"]}},
            {"secretRef": {"name": CONSTANTS["SECRET"]}},
        ]
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod.spec["volumes"]}
        assert volumes[mounts["/etc/sparkify/ca"]]["configMap"] == {
            "name": CONSTANTS["AUTHORITIES"],
            "optional": True,
        }
    assert config(objects)["SSL_CERT_FILE"] == "/etc/sparkify/ca/ca.crt"
    assert "/etc/sparkify/ca" in (ROOT / "dags" / "pods.py").read_text()


def test_values_name_no_setting_that_does_not_exist() -> None:
    text = "".join(
        (CHART / file).read_text() for file in ("values.yaml", "values-kind.yaml", "values-eks.yaml")
    )
    named = set(re.findall(r"\bSPARKIFY_[A-Z_]+\b", text))
    told = set(re.findall(r"- name: (\w+)", VALUES["airflow"]["extraEnv"]))
    assert named <= set(VARIABLES) | told
