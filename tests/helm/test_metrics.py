"""The worker's metrics on their way to Prometheus."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkify.metrics import METRICS
from tests.helm.rendering import NAMESPACE, Objects
from tests.helm.test_settings import config
from tests.helm.test_values import VALUES

ROOT = Path(__file__).parents[2]
OURS: list[dict[str, Any]] = VALUES["airflow"]["statsd"]["extraMappings"]
# What the exporter takes as the name of a metric in Prometheus; a counter ends in _total.
NAME = re.compile(r"[a-z][a-z_]+")


def test_each_metric_of_the_worker_has_a_name_in_prometheus_and_no_other_has() -> None:
    assert [each["match"] for each in OURS] == [metric.name for metric in METRICS]
    for metric, mapping in zip(METRICS, OURS, strict=True):
        assert NAME.fullmatch(mapping["name"])
        assert mapping["name"].endswith("_total") == (metric.kind == "c")
        assert (mapping.get("observer_type") == "histogram") == (metric.kind == "ms")
        assert set(mapping) <= {"match", "name", "observer_type", "histogram_options"}


def test_the_exporters_file_has_airflows_mappings_and_ours(watched: Objects) -> None:
    file = yaml.safe_load(watched.one("ConfigMap", "sparkify-airflow-statsd")["data"]["mappings.yml"])
    names = [each["name"] for each in file["mappings"]]
    assert len(set(names)) == len(names)
    assert file["mappings"][-len(OURS) :] == OURS
    assert "airflow_dagrun_duration" in names


def test_no_mapping_of_airflow_takes_a_metric_of_ours(watched: Objects) -> None:
    file = yaml.safe_load(watched.one("ConfigMap", "sparkify-airflow-statsd")["data"]["mappings.yml"])
    for metric in METRICS:
        taking = [each["name"] for each in file["mappings"] if _takes(each, metric.name)]
        assert taking == [each["name"] for each in OURS if each["match"] == metric.name]


def test_the_exporter_itself_takes_the_file(watched: Objects, tmp_path: Path) -> None:
    exporter = shutil.which("statsd_exporter")
    if exporter is None:
        pytest.skip("statsd_exporter is not installed")
    file = tmp_path / "mappings.yml"
    file.write_text(watched.one("ConfigMap", "sparkify-airflow-statsd")["data"]["mappings.yml"])
    checked = [exporter, "--check-config", f"--statsd.mapping-config={file}"]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _takes(mapping: dict[str, Any], name: str) -> bool:
    """As the exporter matches: a star is one component of the name, unless the match is a regex."""
    pattern = mapping["match"]
    if mapping.get("match_type") != "regex":
        pattern = re.escape(pattern).replace(r"\*", "[^.]+")
    return re.fullmatch(pattern, name) is not None


def test_the_worker_is_told_where_the_exporter_listens(watched: Objects, eks: Objects) -> None:
    service = watched.one("Service", "sparkify-airflow-statsd")
    port = {each["name"]: each["port"] for each in service["spec"]["ports"]}["statsd-ingest"]
    assert config(watched)["SPARKIFY_STATSD"] == f"sparkify-airflow-statsd.{NAMESPACE}.svc:{port}"
    assert "SPARKIFY_STATSD" not in config(eks)


def test_airflow_sends_its_own_metrics_there(watched: Objects) -> None:
    text = watched.one("ConfigMap", "sparkify-airflow-config")["data"]["airflow.cfg"]
    assert "statsd_on = True" in text
    assert "statsd_host = sparkify-airflow-statsd" in text


def test_the_exporter_is_restricted_and_can_be_named_by_its_digest(watched: Objects) -> None:
    (pod,) = [pod for pod in watched.pods() if "statsd" in pod.name]
    (container,) = pod.containers
    assert container["image"] == f"registry.example/statsd-exporter@sha256:{'1' * 64}"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod.spec["securityContext"]["runAsNonRoot"] is True
    account = watched.one("ServiceAccount", pod.spec["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False


def test_the_document_says_what_each_metric_means() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.+?) \|$", (ROOT / "docs" / "watching.md").read_text(), re.MULTILINE
    )
    documented = {name: (labels, meaning) for name, labels, meaning in rows if name.startswith("sparkify_")}
    assert documented == {
        mapping["name"]: (", ".join(f"`{tag}`" for tag in metric.tags), metric.meaning)
        for metric, mapping in zip(METRICS, OURS, strict=True)
    }
