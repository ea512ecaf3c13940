"""What `make up` and `make down` say when something is missing or fails: one line, the last one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.conftest import DOCKER, HELM, KUBECTL, WORKLOAD, Machine, items

UNREACHABLE = (
    "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("docker", "https://docs.docker.com/engine/install/"),
        ("helm", "https://helm.sh/docs/intro/install/"),
        ("kubectl", "https://kubernetes.io/docs/tasks/tools/"),
    ],
)
def test_a_program_that_is_missing_is_named(machine: Machine, name: str, page: str) -> None:
    machine.lacks(name)
    ended = machine.run("up")
    assert (ended.code, ended.log) == (1, f"python -m deploy up: {name} is not installed; see {page}\n")


def test_docker_that_does_not_run_says_so(machine: Machine) -> None:
    machine.has("docker", ("version*", "Cannot connect to the Docker daemon. Is it running?", 1))
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last == (
        "python -m deploy up: docker does not answer: Cannot connect to the Docker daemon. Is it running?"
    )


def test_without_kind_and_context_there_is_no_cluster(machine: Machine) -> None:
    machine.has("kubectl", ("config current-context", "error: current-context is not set", 1))
    for command in ("up", "down", "data"):
        ended = machine.run(command)
        assert (ended.code, ended.log) == (
            1,
            f"python -m deploy {command}: there is no cluster: install kind, or choose one by "
            "kubectl config use-context\n",
        )


def test_a_context_that_is_not_known_is_wrong_usage(machine: Machine) -> None:
    ended = machine.run("up", CONTEXT="nowhere")
    assert (ended.code, ended.log) == (64, "python -m deploy up: kubectl knows no context nowhere\n")


def test_a_cluster_that_does_not_answer_is_named(machine: Machine) -> None:
    machine.has("kubectl", KUBECTL[0], otherwise=(UNREACHABLE, 1))
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last == (
        f"python -m deploy up: the cluster of context elsewhere does not answer: {UNREACHABLE}"
    )


def test_the_context_is_told_before_anything_is_done(machine: Machine) -> None:
    machine.has("kubectl", KUBECTL[0], otherwise=(UNREACHABLE, 1))
    first = machine.run("up").log.splitlines()[0]
    assert first == "context elsewhere, release sparkify in namespace sparkify"


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("create secrets --namespace sparkify", "secrets in namespace sparkify"),
        (
            "create roles.rbac.authorization.k8s.io --namespace sparkify-jobs",
            "roles in namespace sparkify-jobs",
        ),
        ("create deployments.apps --namespace sparkify", "deployments in namespace sparkify"),
    ],
)
def test_a_namespace_without_permission_is_named_before_anything_is_built(
    machine: Machine, right: str, said: str
) -> None:
    machine.has("kubectl", (f"--context elsewhere auth can-i {right}", "no", 0), *KUBECTL)
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last == (
        f"python -m deploy up: context elsewhere may not create {said}: "
        "ask for the right, or choose others by NAMESPACE and WORKER_NAMESPACE"
    )
    assert machine.commands("docker") == []


def test_a_namespace_that_is_missing_and_may_not_be_made_is_named(machine: Machine) -> None:
    machine.has(
        "kubectl",
        ("--context elsewhere get namespace sparkify-jobs", "NotFound", 1),
        ("--context elsewhere auth can-i create namespaces *", "no", 0),
        *KUBECTL,
    )
    assert machine.run("up").last == (
        "python -m deploy up: context elsewhere may not create namespaces in the cluster: "
        "ask for the right, or choose others by NAMESPACE and WORKER_NAMESPACE"
    )


def test_without_kind_a_registry_must_be_named(machine: Machine) -> None:
    ended = machine.run("up", REGISTRY="")
    assert ended.code == 64
    assert ended.last == (
        "python -m deploy up: set REGISTRY to a registry that the cluster pulls from, "
        "as in REGISTRY=ghcr.io/you"
    )


def test_an_image_that_cannot_be_built_is_named_below_what_docker_says(machine: Machine) -> None:
    machine.has(
        "docker", ("build *dags/Dockerfile*", "sparkify_daily.py does not import: NameError", 1), *DOCKER
    )
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.log.splitlines()[-2:] == [
        "sparkify_daily.py does not import: NameError",
        "python -m deploy up: dags/Dockerfile could not be built; docker says why above",
    ]


def test_an_image_that_cannot_be_pushed_is_named(machine: Machine) -> None:
    machine.has("docker", ("push *", "The push refers to repository\ndenied: requires login", 1), *DOCKER)
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last == (
        "python -m deploy up: sparkify/worker:dev could not be pushed to registry.example/team: "
        "denied: requires login"
    )
    assert not any("upgrade" in command for command in machine.commands("helm"))


def test_a_command_that_pushes_must_print_the_reference_by_digest(machine: Machine) -> None:
    machine.has("push", otherwise=("registry.example/worker:dev", 0))
    ended = machine.run("up", PUSH="push --quiet")
    assert ended.code == 64
    assert ended.last == (
        "python -m deploy up: PUSH must print the reference by digest; for sparkify/worker:dev it printed "
        "'registry.example/worker:dev'"
    )
    machine.has("push", otherwise=("no space left on device", 1))
    ended = machine.run("up", PUSH="push --quiet")
    assert ended.code == 1
    assert ended.last == (
        "python -m deploy up: sparkify/worker:dev could not be pushed by push: no space left on device"
    )


def test_an_archive_of_airflows_chart_that_is_not_to_be_had_is_named(machine: Machine) -> None:
    (machine.folder / ".cache/sparkify/charts/airflow-1.22.0.tgz").unlink()
    machine.has("helm", ("pull *", "Error: dial tcp: lookup airflow.apache.org: no such host", 1), *HELM)
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last == (
        f"python -m deploy up: airflow-1.22.0.tgz is not in {machine.folder}/.cache/sparkify/charts, "
        "and cannot be had from https://airflow.apache.org: dial tcp: lookup airflow.apache.org: no such host"
    )
    assert machine.commands("docker") == []


def test_what_helm_refuses_is_shown_above(machine: Machine) -> None:
    machine.has(
        "helm", ("* upgrade *", "Error: values don't meet the specifications\n- at '/sandbox'", 1), *HELM
    )
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.log.splitlines()[-3:] == [
        "Error: values don't meet the specifications",
        "- at '/sandbox'",
        "python -m deploy up: helm could not install the release sparkify; it says why above",
    ]


def test_pods_that_do_not_become_ready_are_shown_with_their_events(machine: Machine) -> None:
    workload = {**WORKLOAD, "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1}}
    pods = items(
        {
            "metadata": {"name": "scheduler-1"},
            "status": {
                "phase": "Pending",
                "conditions": [{"type": "Ready", "status": "False"}],
                "initContainerStatuses": [
                    {"name": "wait", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
                ],
                "containerStatuses": [
                    {
                        "name": "scheduler",
                        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off\n pulling"}},
                    },
                    {"name": "logs", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
                ],
            },
        },
        {
            "metadata": {"name": "fine"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        },
        {"metadata": {"name": "done"}, "status": {"phase": "Succeeded"}},
    )
    events = items({"reason": "Failed", "message": "Failed to pull image"})
    machine.has(
        "kubectl",
        ("* get deployments,statefulsets *", items(workload), 0),
        ("* get pods *", pods, 0),
        ("* get events * --field-selector involvedObject.name=scheduler-1 *", events, 0),
        *KUBECTL,
    )
    ended = machine.run("up", READY_SECONDS="1")
    assert ended.code == 1
    assert ended.log.splitlines()[-7:] == [
        "waiting for sparkify-airflow-scheduler",
        "",
        "pod scheduler-1: Pending",
        "  container scheduler: ImagePullBackOff Back-off pulling",
        "  container logs: OOMKilled, exit code 137 ",
        "  event Failed: Failed to pull image",
        "python -m deploy up: not ready after 1 s: sparkify-airflow-scheduler; their pods are above",
    ]


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_release_without_the_sandbox_is_never_touched(machine: Machine, command: str) -> None:
    values = json.dumps({"sandbox": {"enabled": False}})
    machine.has("helm", ("* get values *", values, 0), *HELM)
    ended = machine.run(command)
    assert ended.code == 1
    assert ended.last == (
        f"python -m deploy {command}: the release sparkify in namespace sparkify of context elsewhere runs "
        "without the sandbox, so it is none of make up's: change it with helm itself"
    )
    assert len(machine.commands("helm")) == 1
    assert machine.commands("docker") == []


def test_a_folder_without_data_is_named(machine: Machine, tmp_path: Path) -> None:
    ended = machine.run("data", "--data", tmp_path / "nowhere")
    assert (ended.code, ended.log) == (64, f"python -m deploy data: {tmp_path}/nowhere is not a folder\n")


def test_a_sandbox_that_cannot_be_reached_is_named(machine: Machine) -> None:
    machine.has(
        "kubectl",
        ("* get configmap *", json.dumps({"data": {"SPARKIFY_SOURCE": "s3://source"}}), 0),
        ("* port-forward *", 'error: services "sparkify-sandbox" not found', 1),
        *KUBECTL,
    )
    ended = machine.run("data")
    assert (ended.code, ended.log) == (
        1,
        "python -m deploy data: service/sparkify-sandbox cannot be reached: "
        'services "sparkify-sandbox" not found\n',
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("NAMESPACE", "No_Name", "NAMESPACE='No_Name' is not a name that Kubernetes takes"),
        ("READY_SECONDS", "soon", "READY_SECONDS='soon' is not a number of seconds"),
        ("VALUES", "nowhere.yaml", "VALUES names nowhere.yaml, which is not a file"),
        ("PUSH", "push 'it", 'PUSH="push \'it" cannot be read: No closing quotation'),
    ],
)
def test_a_setting_that_cannot_be_used_is_wrong_usage(
    machine: Machine, variable: str, value: str, said: str
) -> None:
    ended = machine.run("up", **{variable: value})
    assert (ended.code, ended.log) == (64, f"python -m deploy up: {said}\n")


def test_what_is_no_day_is_wrong_usage(machine: Machine) -> None:
    ended = machine.run("up", "--from", "yesterday")
    assert (ended.code, ended.log) == (
        64,
        "python -m deploy up: argument --from: 'yesterday' is not a day of the form 2018-11-03; "
        "see python -m deploy up --help\n",
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "kind v0.24.0 go1.22.6 linux/amd64",
            "kind 0.27 or later is needed, and this is kind v0.24.0 go1.22.6",
        ),
        ("nonsense", "kind 0.27 or later is needed, and this is nonsense"),
    ],
)
def test_a_kind_that_is_too_old_is_refused(machine: Machine, said: str, reason: str) -> None:
    machine.has("kind", ("version", said, 0))
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last.startswith(f"python -m deploy up: {reason}")


def test_a_cluster_that_kind_cannot_make_is_named(machine: Machine) -> None:
    machine.has(
        "kind",
        ("version", "kind v0.32.0 go1.25.0 linux/amd64", 0),
        ("create cluster *", "ERROR: failed to create cluster: no space left on device", 1),
    )
    ended = machine.run("up")
    assert ended.code == 1
    assert ended.last == (
        "python -m deploy up: kind could not make the cluster sparkify: "
        "ERROR: failed to create cluster: no space left on device"
    )
