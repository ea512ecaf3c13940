"""Airflow's own chart, as our values make it: the traps that they avoid."""

from __future__ import annotations

import base64
import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.render import CHART, EXAMPLES, helm
from tests.helm.rendering import NAMESPACE, RELEASE, Object, Objects, render

IMAGE = f"registry.example/airflow@sha256:{'0' * 64}"


@pytest.fixture(params=["kind", "eks"])
def airflow(request: pytest.FixtureRequest) -> Objects:
    made: Objects = request.getfixturevalue(f"whole_{request.param}")
    return made


def container(objects: Objects, kind: str, name: str) -> Object:
    spec = objects.one(kind, name)["spec"]["template"]["spec"]
    first: Object = spec["containers"][0]
    return first


def env(container: Object) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_all_of_airflow_runs_the_image_with_the_dags(airflow: Objects) -> None:
    ours = {"sparkify-sandbox", "sparkify-metadata", "sparkify-test", "sparkify-freshness"}
    images = {each["image"] for pod in airflow.pods() if pod.name not in ours for each in pod.containers}
    assert images == {IMAGE}


def test_airflow_is_these_parts(whole_kind: Objects, whole_eks: Objects) -> None:
    """Neither broker, database, metrics nor a volume of 100Gi for the scheduler."""

    def parts(objects: Objects) -> dict[str, int]:
        return {
            each["metadata"]["name"].removeprefix("sparkify-airflow-"): each["spec"]["replicas"]
            for each in objects.of("Deployment") + objects.of("StatefulSet")
            if each["metadata"]["name"].startswith("sparkify-airflow-")
        }

    assert parts(whole_kind) == {"api-server": 1, "scheduler": 1, "dag-processor": 1}
    assert parts(whole_eks) == {"api-server": 2, "scheduler": 2, "dag-processor": 2}
    assert whole_kind.of("PodDisruptionBudget") == []
    assert {each["metadata"]["name"] for each in whole_eks.of("PodDisruptionBudget")} == {
        "sparkify-airflow-api-server-pdb",
        "sparkify-airflow-scheduler-pdb",
        "sparkify-airflow-dag-processor-pdb",
    }
    assert {name for _, name in whole_eks.names("CronJob")} == {
        "sparkify-freshness",
        "sparkify-cleanup",
        "sparkify-airflow-database-cleanup",
    }


def test_the_dags_are_told_of_the_worker(airflow: Objects) -> None:
    for name in ("scheduler", "dag-processor"):
        told = env(container(airflow, "Deployment", f"sparkify-airflow-{name}"))
        assert told["SPARKIFY_WORKER_IMAGE"] == f"registry.example/worker@sha256:{'0' * 64}"
        assert told["SPARKIFY_WORKER_NAMESPACE"] == "sparkify-jobs"
        assert told["SPARKIFY_RETRY_SECONDS"] in ("10", "120")


def test_a_new_worker_changes_airflows_pods_and_nothing_else(whole: Path) -> None:
    def made(digit: str) -> dict[tuple[str, str], Object]:
        image = f"registry.example/worker@sha256:{digit * 64}"
        objects = render(whole, "eks", {"global": {"worker": {"image": image}}})
        return {(each["kind"], each["metadata"]["name"]): each for each in objects.all}

    before, after = made("1"), made("2")
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {
        *(
            ("Deployment", f"sparkify-airflow-{name}")
            for name in ("api-server", "scheduler", "dag-processor")
        ),
        ("CronJob", "sparkify-airflow-database-cleanup"),
        ("CronJob", "sparkify-freshness"),
        ("Pod", "sparkify-test"),
    }


def test_airflow_is_told_where_notices_go(whole_kind: Objects, whole_eks: Objects) -> None:
    for name in ("scheduler", "dag-processor"):  # the second speaks for tasks whose process was lost
        told = env(container(whole_eks, "Deployment", f"sparkify-airflow-{name}"))
        assert told["SPARKIFY_NOTICE_EMAIL"] == "data-team@example.com"
        keys = {
            variable: told[variable]["secretKeyRef"]
            for variable in ("SPARKIFY_NOTICE_URL", "AIRFLOW_CONN_SPARKIFY_SMTP")
        }
        assert keys == {
            "SPARKIFY_NOTICE_URL": {"name": "sparkify-notices", "key": "webhook-url"},
            "AIRFLOW_CONN_SPARKIFY_SMTP": {"name": "sparkify-notices", "key": "smtp-connection"},
        }
        none = env(container(whole_kind, "Deployment", f"sparkify-airflow-{name}"))
        assert not {each for each in none if "NOTICE" in each or "CONN_SPARKIFY" in each}


def test_airflow_names_all_its_secrets(airflow: Objects) -> None:
    told = env(container(airflow, "Deployment", "sparkify-airflow-api-server"))
    secrets = {name: each["secretKeyRef"] for name, each in told.items() if isinstance(each, dict)}
    assert {name: secret for name, secret in secrets.items() if name.startswith("AIRFLOW__")} == {
        "AIRFLOW__CORE__FERNET_KEY": {"name": "sparkify-fernet-key", "key": "fernet-key"},
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": {"name": "sparkify-metadata", "key": "connection"},
        "AIRFLOW__API__SECRET_KEY": {"name": "sparkify-api-secret-key", "key": "api-secret-key"},
        "AIRFLOW__API_AUTH__JWT_SECRET": {"name": "sparkify-jwt-secret", "key": "jwt-secret"},
    }


def test_two_renderings_are_the_same(whole: Path) -> None:
    """Else GitOps would replace Airflow's pods for ever."""
    assert render(whole, "eks").all == render(whole, "eks").all


def test_each_revision_migrates_the_database_by_a_job_of_its_own(whole: Path) -> None:
    """A Job that is there can't be changed, and `helm upgrade --wait` waits in vain for one that is gone."""

    def jobs(digit: str) -> dict[str, Object]:
        image = {"images": {"airflow": {"digest": f"sha256:{digit * 64}"}}}
        made = render(whole, "eks", {"airflow": image}).of("Job")
        return {each["metadata"]["name"]: each for each in made}

    assert [*jobs("1"), *jobs("2")] == ["sparkify-migrate-1-11111111", "sparkify-migrate-1-22222222"]
    (job,) = jobs("1").values()
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert "annotations" not in job["metadata"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["bash", "-c", "set -e\nairflow db migrate"]
    connection = {"secretKeyRef": {"name": "sparkify-metadata", "key": "connection"}}
    assert env(container)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == connection


def test_the_scheduler_has_time_for_its_tasks(airflow: Objects) -> None:
    deployment = airflow.one("Deployment", "sparkify-airflow-scheduler")["spec"]
    assert deployment["strategy"] == {"type": "Recreate"}
    spec = deployment["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 60
    assert env(spec["containers"][0])["DUMB_INIT_SETSID"] == "0"


def test_a_scheduler_that_waits_for_its_tasks_is_not_taken_for_dead(airflow: Objects) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(airflow.one("ConfigMap", "sparkify-airflow-config")["data"]["airflow.cfg"])
    deployment = airflow.one("Deployment", "sparkify-airflow-scheduler")["spec"]
    waits = deployment["template"]["spec"]["terminationGracePeriodSeconds"]
    assert parser.getint("scheduler", "scheduler_health_check_threshold") > waits


def test_airflows_configuration_is_what_we_mean(whole_kind: Objects, whole_eks: Objects) -> None:
    def config(objects: Objects) -> configparser.ConfigParser:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(objects.one("ConfigMap", "sparkify-airflow-config")["data"]["airflow.cfg"])
        return parser

    for each in (config(whole_kind), config(whole_eks)):
        assert each["core"]["executor"] == "LocalExecutor"
        assert each["core"]["hostname_callable"] == "airflow.utils.net.get_host_ip_address"
        assert each["core"]["load_examples"] == "False"
        assert (
            each["core"]["execution_api_server_url"] == "http://sparkify-airflow-api-server:8080/execution/"
        )
        assert each["metrics"]["statsd_on"] == "False"
    assert config(whole_kind)["logging"]["remote_logging"] == "False"
    assert config(whole_eks)["logging"]["remote_logging"] == "True"
    assert config(whole_eks)["logging"]["remote_base_log_folder"] == "s3://example-logs/airflow"


def test_the_database_of_kind_is_the_sandboxs(whole_kind: Objects) -> None:
    def secret(name: str, key: str) -> str:
        return base64.b64decode(whole_kind.one("Secret", name)["data"][key]).decode()

    password = secret("sparkify-sandbox", "metadata-password")
    host = f"sparkify-metadata.{NAMESPACE}.svc"
    assert secret("sparkify-metadata", "connection") == (
        f"postgresql://airflow:{password}@{host}:5432/airflow?sslmode=disable"
    )
    assert (NAMESPACE, "sparkify-metadata") in whole_kind.names("Service")


def test_the_administrators_password_is_on_no_command_line(whole_kind: Objects) -> None:
    """Only kind has an administrator of the chart's; the command reads the password from standard input."""
    (job,) = whole_kind.of("Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    create = container["args"][-1].partition("airflow users create ")[2].split()
    assert "--username" in create
    assert not {"-p", "--password"} & set(create)
    assert env(container)["PASSWORD"] == {
        "secretKeyRef": {"name": "sparkify-airflow-admin", "key": "password"}
    }


def test_the_notes_name_what_there_is(whole: Path, whole_kind: Objects) -> None:
    values = (whole / "values-kind.yaml", "-")
    command = ("install", RELEASE, whole, "--namespace", NAMESPACE, "--dry-run=client")
    done = helm(
        *command, "--values", values[0], "--values", values[1], stdin=yaml.safe_dump(EXAMPLES["kind"])
    )
    assert done.returncode == 0, done.stderr
    notes = done.stdout.split("NOTES:\n", 1)[1]
    assert "MISSING" not in notes
    kinds = {"deploy": "Deployment", "svc": "Service"}
    named = re.findall(r"\b(deploy|svc)/(\S+)", notes)
    assert {kinds[short] for short, _ in named} == {"Deployment", "Service"}
    for short, name in named:
        assert (NAMESPACE, name) in whole_kind.names(kinds[short])
    for name in re.findall(r"get secret -n \S+ (\S+)", notes):
        assert (NAMESPACE, name) in whole_kind.names("Secret")
    dags = {file.stem for file in (CHART.parents[1] / "dags").glob("sparkify_*.py")}
    assert set(re.findall(r"airflow dags \w+ (\w+)", notes)) == dags
