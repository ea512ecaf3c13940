"""Values: which are refused, in which words, and that the files say of each what it is."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.render import CHART, EXAMPLES
from tests.helm.rendering import JOBS, Values, refusal, render

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def nested(path: str, value: object) -> dict[str, Any]:
    """The values `a.b.c` and 1 are {"a": {"b": {"c": 1}}}."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sandbx", {}, "at '': additional properties 'sandbx' not allowed"),
        ("sandbox.enable", True, "at '/sandbox': additional properties 'enable' not allowed"),
        ("global.worker.img", "x", "at '/global/worker': additional properties 'img' not allowed"),
        ("airflow.schedular", {}, "at '/airflow': additional properties 'schedular' not allowed"),
        (
            "worker.settings.SPARKIFY_WAREHOUSE_PASSWORD",
            "secret",
            "at '/worker/settings': additional properties 'SPARKIFY_WAREHOUSE_PASSWORD' not allowed",
        ),
        (
            "worker.settings.SPARKIFY_CHECKS",
            "password=secret",
            "at '/worker/settings/SPARKIFY_CHECKS': value must be 'of the form deviations=6, song",
        ),
        ("sandbox.enabled", "yes", "at '/sandbox/enabled': got string, want boolean"),
        ("worker.namespace.create", None, "at '/worker/namespace': missing property 'create'"),
        ("global.worker.retrySeconds", 0, "at '/global/worker/retrySeconds': minimum: got 0, want 1"),
        ("global.worker.namespace", "My_Jobs", "at '/global/worker/namespace': 'My_Jobs' does not match"),
        ("cleanup.schedule", "daily", "at '/cleanup/schedule': 'daily' does not match pattern"),
        ("cleanup.minCompletedMinutes", 1.5, "at '/cleanup/minCompletedMinutes': got number, want integer"),
        (
            "cleanup.resources.limits",
            {"memory": "1GB"},
            "at '/cleanup/resources/limits/memory': '1GB' does not match pattern",
        ),
        (
            "networkPolicies.databaseCidrs",
            ["10.0.0.0"],
            "at '/networkPolicies/databaseCidrs/0': '10.0.0.0' does not match pattern",
        ),
        ("freshness.schedule", "at six", "at '/freshness/schedule': 'at six' does not match pattern"),
        ("freshness.hours", -1, "at '/freshness/hours': minimum: got -1, want 0"),
        ("freshness.days", 0, "at '/freshness/days': minimum: got 0, want 1"),
        ("global.notices.webhook", "https://x", "at '/global/notices/webhook': got string, want boolean"),
        (
            "global.notices.email",
            ["nobody"],
            "at '/global/notices/email/0': value must be 'of the form name@host'",
        ),
        ("metrics.scrape.interval", "often", "at '/metrics/scrape/interval': 'often' does not match pattern"),
        ("metrics.labels", {"release": 1}, "at '/metrics/labels/release': got number, want string"),
        ("sandbox.persistence.size", "much", "at '/sandbox/persistence/size': 'much' does not match pattern"),
        (
            "externalSecret.secretStore.kind",
            "Vault",
            "at '/externalSecret/secretStore/kind': value must be one of 'ClusterSecretStore', 'SecretStore'",
        ),
        (
            "airflow.executor",
            "CeleryExecutor",
            "at '/airflow/executor': value must be 'LocalExecutor'",
        ),
        (
            "airflow.allowPodLaunching",
            True,
            "at '/airflow/allowPodLaunching': value must be false",
        ),
        ("airflow.createUserJob.enabled", True, "at '/airflow/createUserJob/enabled': value must be false"),
        (
            "airflow.webserver.defaultUser",
            {"enabled": True, "password": "secret"},
            "at '/airflow/webserver/defaultUser': false schema",
        ),
        (
            "airflow.config.smtp.smtp_password",
            "secret",
            "at '/airflow/config/smtp/smtp_password': false schema",
        ),
        (
            "airflow.config.database.sql_alchemy_conn",
            "postgresql://user:secret@host/airflow",
            "at '/airflow/config/database/sql_alchemy_conn': false schema",
        ),
        ("airflow.images.airflow.tag", "latest", "at '/airflow/images/airflow/tag': got string, want null"),
        (
            "airflow.scheduler.serviceAccount.name",
            None,
            "at '/airflow/scheduler/serviceAccount': missing property 'name'",
        ),
    ],
)
def test_unknown_and_wrong_values_are_refused_where_they_are(
    alone: Path, path: str, value: object, message: str
) -> None:
    said = refusal(alone, "kind", nested(path, value))
    assert message in said
    assert "secret" not in said.replace(path.replace(".", "/"), "")


DIGEST = f"sha256:{'0' * 64}"
HOW = "as in registry/name@sha256:…; `make images` builds the images and prints them so"


@pytest.mark.parametrize(
    ("profile", "path", "value", "message"),
    [
        (
            "kind",
            "global.worker.image",
            "registry.example/worker:1.0",
            f'global.worker.image="registry.example/worker:1.0" does not name the image by its digest, {HOW}',
        ),
        (
            "kind",
            "global.worker.image",
            "",
            f"global.worker.image is missing: the worker's image by its digest, {HOW}",
        ),
        (
            "kind",
            "sandbox.image",
            "sandbox:latest",
            f'sandbox.image="sandbox:latest" does not name the image by its digest, {HOW}',
        ),
        (
            "eks",
            "airflow.images.airflow.digest",
            "",
            "airflow.images.airflow.repository or .digest is missing: the image with the DAGs, by its "
            "digest; `make images` builds it",
        ),
        (
            "eks",
            "airflow.images.airflow.digest",
            "1.0",
            "airflow.images.airflow: registry.example/airflow@1.0 does not name the image by its digest, "
            f"{HOW}",
        ),
        (
            "eks",
            "externalSecret.worker",
            "",
            "externalSecret.worker is missing: which secret of the store holds SPARKIFY_WAREHOUSE_PASSWORD; "
            "or log in by IAM: worker.settings.SPARKIFY_WAREHOUSE_WORKGROUP or _CLUSTER",
        ),
        (
            "eks",
            "externalSecret.secretStore.name",
            "",
            "externalSecret.secretStore.name is missing: which store holds the secrets",
        ),
        (
            "eks",
            "worker.settings",
            {"SPARKIFY_WAREHOUSE_WORKGROUP": "a", "SPARKIFY_WAREHOUSE_CLUSTER": "b"},
            "worker.settings.SPARKIFY_WAREHOUSE_WORKGROUP and SPARKIFY_WAREHOUSE_CLUSTER exclude each other: "
            "the warehouse is one of them",
        ),
        (
            "kind",
            "worker.settings",
            {"SPARKIFY_WAREHOUSE_CLUSTER": "a"},
            "worker.settings.SPARKIFY_WAREHOUSE_WORKGROUP, _CLUSTER and sandbox.enabled exclude each other: "
            "the sandbox knows no IAM",
        ),
        (
            "eks",
            "externalSecret.notices",
            "",
            "externalSecret.notices is missing: which secret of the store holds webhook-url and "
            "smtp-connection, as global.notices wants it",
        ),
        (
            "eks",
            "metrics.alerts.enabled",
            True,
            "metrics.scrape or metrics.alerts has nothing to look at: airflow.statsd.enabled makes the "
            "metrics",
        ),
        (
            "kind",
            "externalSecret",
            {"enabled": True, "secretStore": {"name": "x"}, "worker": "x"},
            "externalSecret.enabled and sandbox.enabled exclude each other: with the sandbox the chart makes "
            "the Secrets itself",
        ),
        (
            "eks",
            "airflow.config.logging.remote_base_log_folder",
            "",
            "airflow.config.logging.remote_base_log_folder is missing: s3://bucket/prefix for the tasks' "
            "logs",
        ),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said_in_words(
    alone: Path, profile: str, path: str, value: object, message: str
) -> None:
    assert f"\n  - {message}\n" in refusal(alone, profile, nested(path, value))


def test_everything_that_is_missing_is_said_at_once(alone: Path) -> None:
    said = refusal(alone, None, {})
    assert re.findall(r"^  - (\S+)", said, re.MULTILINE) == [
        "global.worker.image",
        "airflow.images.airflow.repository",
        "worker.settings.SPARKIFY_SOURCE",
        "worker.settings.SPARKIFY_STAGING",
        "worker.settings.SPARKIFY_COPY_ROLE",
        "worker.settings.SPARKIFY_WAREHOUSE_HOST",
        "worker.settings.AWS_REGION",
    ]
    meaning = "s3:// bucket (and prefix) that holds log_data/ and song_data/"
    assert f"\n  - worker.settings.SPARKIFY_SOURCE is missing: {meaning}\n" in said


def _keys(values: Values, schema: dict[str, Any], path: str = "") -> tuple[set[str], set[str]]:
    """The paths that the values have, and those that the schema knows, below each map with fixed keys."""
    known = {f"{path}{name}" for name in schema["properties"]}
    there = {f"{path}{name}" for name in values}
    for name, part in schema["properties"].items():
        if isinstance(values.get(name), dict) and part.get("additionalProperties") is False:
            more_there, more_known = _keys(values[name], part, f"{path}{name}.")
            there, known = there | more_there, known | more_known
    return there, known


def test_the_schema_knows_the_values_of_values_yaml_and_no_others() -> None:
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "airflow": {}}}
    there, known = _keys(VALUES, schema)
    settings = {each for each in known if each.startswith("worker.settings.")}
    assert there == known - settings
    assert {"worker.settings", "sandbox.persistence.size"} <= there


def test_each_of_our_values_is_explained_above_it() -> None:
    lines = (CHART / "values.yaml").read_text().split("\nairflow:", 1)[0].splitlines()
    pairs = itertools.pairwise(lines)
    bare = {line.strip().split(":")[0] for above, line in pairs if ":" in line and "#" not in above + line}
    sections = {"worker", "namespace", "serviceAccount", "secretStore", "resources"}
    plain = {"enabled", "requests", "limits"}
    assert bare == sections | plain


@pytest.mark.parametrize("profile", EXAMPLES)
def test_a_profile_holds_differences_only(profile: str) -> None:
    def same(ours: Any, default: Any, path: str) -> list[str]:
        if isinstance(ours, dict) and isinstance(default, dict):
            return [each for key in ours for each in same(ours[key], default.get(key), f"{path}.{key}")]
        return [path] if ours == default else []

    values = yaml.safe_load((CHART / f"values-{profile}.yaml").read_text())
    assert same(values, VALUES, profile) == []


def test_the_lock_file_fits_the_chart() -> None:
    """As `helm dependency build` compares them."""
    wanted = yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]
    lock = yaml.safe_load((CHART / "Chart.lock").read_text())
    fields = ("name", "version", "repository")
    compared = [
        [{field: each[field] for field in fields} for each in side] for side in (wanted, lock["dependencies"])
    ]
    digest = hashlib.sha256(json.dumps(compared, separators=(",", ":")).encode()).hexdigest()
    assert lock["digest"] == f"sha256:{digest}"


def test_the_schema_knows_every_value_of_airflows_chart(whole: Path) -> None:
    (archive,) = (whole / "charts").glob("airflow-*.tgz")
    with tarfile.open(archive) as tar:
        file = tar.extractfile("airflow/values.schema.json")
        assert file is not None
        theirs = json.load(file)
    assert set(SCHEMA["properties"]["airflow"]["properties"]) == {*theirs["properties"], "global"}


def test_airflows_chart_refuses_what_it_does_not_know(whole: Path) -> None:
    said = refusal(whole, "kind", nested("airflow.scheduler.replica", 2))
    assert "airflow:\n- at '/scheduler': additional properties 'replica' not allowed" in said


def test_annotations_reach_the_service_account(alone: Path) -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/worker"}
    account = render(alone, "eks", nested("worker.serviceAccount.annotations", role)).one(
        "ServiceAccount", "sparkify-worker"
    )
    assert account["metadata"]["annotations"] == role
    assert account["metadata"]["namespace"] == JOBS
