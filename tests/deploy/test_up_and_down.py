"""What `make up`, `make images` and `make down` do, in which order, and what they leave alone."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from redshift_sandbox import Endpoint
from tests.deploy.conftest import DIGEST, DOCKER, HELM, KUBECTL, WORKLOAD, Machine, items

KIND = (
    ("version", "kind v0.32.0 go1.25.0 linux/amd64", 0),
    ("get nodes *", "sparkify-control-plane", 0),
)
_numbers = count(1)

IN_SANDBOX = ("* get values *", json.dumps({"sandbox": {"enabled": True}}), 0)


@dataclass(frozen=True)
class Bucket:
    """The source bucket of the cluster."""

    client: Any
    name: str

    def listed(self) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=self.name)["Contents"]]


@pytest.fixture
def bucket(machine: Machine, sandbox: Endpoint, tmp_path: Path) -> Bucket:
    """Empty; kubectl says of the cluster that its S3 is the test's sandbox."""
    keys = {"s3-access-key": "AWS_ACCESS_KEY_ID", "s3-secret-key": "AWS_SECRET_ACCESS_KEY"}
    data = {key: base64.b64encode(sandbox.env[name].encode()).decode() for key, name in keys.items()}
    port = sandbox.s3_endpoint.rpartition(":")[2]
    name = f"source-{next(_numbers)}"
    settings = {"SPARKIFY_SOURCE": f"s3://{name}"}
    machine.has(
        "kubectl",
        ("* get configmap sparkify-worker *", json.dumps({"data": settings}), 0),
        ("* get secret sparkify-sandbox *", json.dumps({"data": data}), 0),
        ("* port-forward service/sparkify-sandbox :9000", f"Forwarding from 127.0.0.1:{port} -> 9000", 0),
        *KUBECTL,
    )
    client = boto3.client(
        "s3",
        endpoint_url=sandbox.s3_endpoint,
        aws_access_key_id=sandbox.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=sandbox.env["AWS_SECRET_ACCESS_KEY"],
        region_name=sandbox.env["AWS_REGION"],
    )
    client.create_bucket(Bucket=name)
    return Bucket(client, name)


def test_up_builds_pushes_installs_uploads_and_says_what_to_type(machine: Machine, bucket: Bucket) -> None:
    ended = machine.run("up")
    assert ended.code == 0
    registry = "registry.example/team/sparkify"
    (installed,) = [command for command in machine.commands("helm") if " upgrade " in command]
    assert installed == (
        f"--kube-context elsewhere upgrade --install sparkify {machine.checkout}/helm/sparkify "
        "--namespace sparkify --create-namespace "
        f"--values {machine.checkout}/helm/sparkify/values-kind.yaml "
        f"--set-string global.worker.image={registry}/worker@{DIGEST} "
        "--set-string global.worker.namespace=sparkify-jobs "
        f"--set-string airflow.images.airflow.repository={registry}/airflow "
        f"--set-string airflow.images.airflow.digest={DIGEST} "
        f"--set-string sandbox.image={registry}/sandbox@{DIGEST}"
    )
    assert "log_data/2018/11/2018-11-01-events.json" in bucket.listed()
    assert ended.last.startswith(f"s3://{bucket.name} holds the demo data: ")
    assert ended.out == (
        "Type this.\n\nLoad the days that were uploaded:\n"
        "     kubectl exec -n sparkify deploy/sparkify-airflow-scheduler -c scheduler -- "
        "airflow backfill create --dag-id sparkify_daily --from-date 2018-11-01 --to-date 2018-11-04\n"
    )


def test_no_secret_is_on_a_command_line_or_printed(
    machine: Machine, bucket: Bucket, sandbox: Endpoint
) -> None:
    ended = machine.run("up")
    said = ended.out + ended.log + (machine.folder / "commands").read_text()
    assert sandbox.env["AWS_SECRET_ACCESS_KEY"] not in said
    assert sandbox.env["AWS_ACCESS_KEY_ID"] not in said


def test_names_and_values_of_ones_own_are_used(machine: Machine, bucket: Bucket, tmp_path: Path) -> None:
    values = tmp_path / "more.yaml"
    values.touch()
    machine.run("up", NAMESPACE="mine", WORKER_NAMESPACE="mine-jobs", VALUES=str(values), CONTEXT="another")
    (installed,) = [command for command in machine.commands("helm") if " upgrade " in command]
    assert installed.startswith("--kube-context another upgrade --install sparkify ")
    assert "--namespace mine --create-namespace" in installed
    assert f"values-kind.yaml --values {values} --set-string" in installed
    assert "global.worker.namespace=mine-jobs" in installed
    assert all("--context another" in command for command in machine.commands("kubectl")[1:])


def test_a_folder_of_ones_own_is_uploaded(machine: Machine, bucket: Bucket, tmp_path: Path) -> None:
    day = tmp_path / "data/log_data/2018/11/2018-11-07-events.json"
    day.parent.mkdir(parents=True)
    day.write_text("{}\n")
    ended = machine.run("data", "--data", tmp_path / "data")
    assert (ended.code, ended.out.rpartition("--from-date")[2]) == (0, " 2018-11-07 --to-date 2018-11-07\n")
    assert bucket.listed() == ["log_data/2018/11/2018-11-07-events.json"]


def test_images_prints_references_by_digest_and_nothing_else(machine: Machine) -> None:
    ended = machine.run("images")
    registry = "registry.example/team/sparkify"
    assert (ended.code, ended.out) == (
        0,
        f"WORKER={registry}/worker@{DIGEST}\nAIRFLOW={registry}/airflow@{DIGEST}\nSANDBOX={registry}/sandbox@{DIGEST}\n",
    )


def test_bases_and_options_reach_the_builder(machine: Machine) -> None:
    machine.run("images", BASE_PYTHON="mine:1", BASE_AIRFLOW="mine:2", BUILD_OPTIONS="--network host")
    built = [command for command in machine.commands("docker") if command.startswith("build ")]
    assert [command.partition(" --network host ")[2] for command in built] == [
        f"--build-arg BASE=mine:1 {machine.checkout}",
        f"--build-arg BASE=mine:2 {machine.checkout}",
        f"--build-arg BASE=mine:1 {machine.checkout}",
    ]


def test_a_command_of_ones_own_pushes(machine: Machine) -> None:
    machine.has("push", otherwise=(f"mine.example/it@{DIGEST}", 0))
    ended = machine.run("images", PUSH="push --quiet", REGISTRY="")
    assert ended.out.splitlines()[0] == f"WORKER=mine.example/it@{DIGEST}"
    assert machine.commands("push") == [
        f"--quiet sparkify/{name}:dev" for name in ("worker", "airflow", "sandbox")
    ]


def test_kind_makes_a_cluster_and_its_registry_once(machine: Machine) -> None:
    machine.has("kind", *KIND)
    machine.has("docker", ("inspect --format {{json*", "{}", 0), ("inspect *", "no such object", 1), *DOCKER)
    ended = machine.run("images", REGISTRY="")
    assert ended.out.startswith(f"WORKER=localhost:5001/sparkify/worker@{DIGEST}\n")
    assert machine.commands("kind") == [
        "version",
        "get clusters",
        f"create cluster --name sparkify --config {machine.checkout}/deploy/kind.yaml --wait 180s",
        "export kubeconfig --name sparkify",
        "get nodes --name sparkify",
    ]
    wiring = [
        command for command in machine.commands("docker") if not command.startswith(("build", "tag", "push"))
    ]
    assert wiring[1].startswith(
        "run --detach --restart always --name kind-registry --label sparkify/made-by=make-up "
        "--publish 127.0.0.1:5001:5000 docker.io/library/registry:3@sha256:"
    )
    assert wiring[2] == (
        "exec --interactive sparkify-control-plane sh -c "
        "mkdir -p /etc/containerd/certs.d/localhost:5001 && "
        "cat > /etc/containerd/certs.d/localhost:5001/hosts.toml"
    )
    assert wiring[4] == "network connect kind kind-registry"


def test_what_kind_has_made_is_used_again(machine: Machine) -> None:
    machine.has("kind", ("get clusters", "sparkify", 0), *KIND)
    machine.has(
        "docker",
        ("inspect --format {{.State.Running}} *", "true", 0),
        ("inspect --format {{json*", '{"bridge": {}, "kind": {}}', 0),
        *DOCKER,
    )
    assert machine.run("images", REGISTRY="").code == 0
    assert not [command for command in machine.commands("kind") if command.startswith("create")]
    assert not [command for command in machine.commands("docker") if command.startswith(("run", "network"))]


def test_a_context_that_is_named_is_used_instead_of_kind(machine: Machine, bucket: Bucket) -> None:
    machine.has("kind", *KIND)
    assert machine.run("up", CONTEXT="another").code == 0
    assert machine.commands("kind") == []


def test_up_waits_for_what_was_installed_last(machine: Machine) -> None:
    old = {**WORKLOAD, "status": {**WORKLOAD["status"], "observedGeneration": 1}}  # type: ignore[dict-item]
    foreign = {**old, "metadata": {"name": "foreign", "generation": 2}}
    machine.has("kubectl", ("* get deployments,statefulsets *", items(old, foreign), 0), *KUBECTL)
    ended = machine.run("up", READY_SECONDS="1")
    assert ended.last == (
        "python -m deploy up: not ready after 1 s: sparkify-airflow-scheduler; their pods are above"
    )


def test_a_pod_that_holds_data_is_replaced_only_if_it_has_never_started(machine: Machine) -> None:
    sandbox = {
        "metadata": {**WORKLOAD["metadata"], "name": "sparkify-sandbox"},  # type: ignore[dict-item]
        "spec": {
            "replicas": 1,
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": {"app": "sandbox", "release": "sparkify"}},
        },
        "status": {"observedGeneration": 2, "replicas": 1, "updateRevision": "new"},
    }
    pods = [
        {
            "metadata": {"name": f"{phase}-{revision}", "labels": {"controller-revision-hash": revision}},
            "status": {"phase": phase},
        }
        for phase in ("Pending", "Running")
        for revision in ("old", "new")
    ]
    machine.has(
        "kubectl",
        ("* get deployments,statefulsets *", items(sandbox), 0),
        ("* get pods --namespace sparkify --selector app=sandbox,release=sparkify *", items(*pods), 0),
        *KUBECTL,
    )
    machine.run("up", READY_SECONDS="1")
    deleted = {command for command in machine.commands("kubectl") if " delete " in command}
    assert deleted == {"--context elsewhere delete pod Pending-old --namespace sparkify"}


def test_down_removes_the_release_and_leaves_the_cluster(machine: Machine) -> None:
    machine.has("helm", IN_SANDBOX)
    ended = machine.run("down")
    assert (ended.code, ended.log) == (
        0,
        "removed the release sparkify from namespace sparkify of elsewhere\n",
    )
    assert machine.commands("helm")[-1] == (
        "--kube-context elsewhere uninstall sparkify --namespace sparkify "
        "--wait --cascade foreground --timeout 600s"
    )


def test_down_without_a_release_has_nothing_to_do(machine: Machine) -> None:
    machine.has("helm", *HELM)
    ended = machine.run("down")
    assert (ended.code, ended.log) == (
        0,
        "there is no release sparkify in namespace sparkify of elsewhere\n",
    )


@pytest.mark.parametrize("ours", [True, False])
def test_down_deletes_the_kind_cluster_only_if_up_has_made_it(machine: Machine, ours: bool) -> None:
    machine.has("helm", IN_SANDBOX)
    machine.has("kind", ("get clusters", "sparkify", 0), *KIND)
    nodes = items({"metadata": {"name": "sparkify-control-plane"}}) if ours else items()
    machine.has("kubectl", ("* get nodes --selector sparkify/made-by=make-up *", nodes, 0), *KUBECTL)
    machine.has("docker", ("ps *", "0123456789ab" if ours else "", 0), *DOCKER)
    ended = machine.run("down")
    assert ended.code == 0
    deleted = "delete cluster --name sparkify" in machine.commands("kind")
    removed = "rm --force --volumes 0123456789ab" in machine.commands("docker")
    assert (deleted, removed) == (ours, ours)
    assert ("deleted the kind cluster sparkify" in ended.log) == ours


def test_down_without_the_kind_cluster_has_nothing_to_do(machine: Machine) -> None:
    machine.has("kind", *KIND)
    ended = machine.run("down")
    assert (ended.code, ended.log) == (0, "there is no kind cluster sparkify\n")
    assert machine.commands("helm") == []


def test_the_kind_cluster_bears_the_mark_by_which_down_knows_it(machine: Machine) -> None:
    config = yaml.safe_load((machine.checkout / "deploy/kind.yaml").read_text())
    assert [node["labels"] for node in config["nodes"]] == [{"sparkify/made-by": "make-up"}]
