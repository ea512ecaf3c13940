"""Which cluster: kind's where kind is installed, else that of kubectl's current context."""

import dataclasses
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import tools
from deploy.errors import DeployError, UsageError
from deploy.settings import Settings

_KIND_CONFIG = Path(__file__).with_name("kind.yaml")
_OLDEST_KIND = (0, 27)  # whose nodes read /etc/containerd/certs.d
_MADE_BY = "sparkify/made-by=make-up"

# kind's way to a registry on this machine, https://kind.sigs.k8s.io/docs/user/local-registry/
_REGISTRY = "kind-registry"
_REGISTRY_PORT = 5001
_REGISTRY_IMAGE = (
    "docker.io/library/registry:3@sha256:1be55279f18a2fe1a74edf2664cac61c1bea305b7b4642dab412e7affdcb3e33"
)


@dataclass(frozen=True)
class Cluster:
    """A cluster by its context, which every command names: another one may become the current meanwhile."""

    context: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> tools.Answer:
        return tools.ask(tools.program("kubectl"), "--context", self.context, *arguments, stdin=stdin)

    def helm(self, *arguments: str | Path) -> tools.Answer:
        return tools.ask(tools.program("helm"), "--kube-context", self.context, *arguments)

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """What `kubectl get` finds. Raises DeployError."""
        answer = self.kubectl("get", *arguments, "--output", "json")
        if answer.returncode != 0:
            raise DeployError(
                f"{' '.join(arguments)} of {self.context} cannot be read: {tools.last_line(answer)}"
            )
        items: list[dict[str, Any]] = json.loads(answer.stdout)["items"]
        return items


def up(settings: Settings) -> tuple[Cluster, Settings]:
    """The cluster, made by kind unless it is there, and the settings with kind's registry.

    Raises:
        DeployError: there is no cluster, and none can be made.
    """
    tools.program("kubectl")
    kind = shutil.which("kind")
    if kind is None or settings.context is not None:
        return _present(settings), settings
    _check_version(kind)
    docker = tools.program(settings.docker)
    name, context = settings.kind_cluster, f"kind-{settings.kind_cluster}"
    if name not in _names(kind):
        print(f"making the kind cluster {name}, which takes a minute or two", file=sys.stderr, flush=True)
        tools.must(
            f"kind could not make the cluster {name}",
            *(kind, "create", "cluster", "--name", name, "--config", _KIND_CONFIG, "--wait", "180s"),
        )
    tools.must(f"kind knows no way to the cluster {name}", kind, "export", "kubeconfig", "--name", name)
    cluster = Cluster(context)
    if not settings.push and settings.registry is None:
        _connect_registry(cluster, kind, docker, name)
        settings = dataclasses.replace(settings, registry=f"localhost:{_REGISTRY_PORT}")
    return cluster, settings


def current(settings: Settings) -> Cluster | None:
    """The cluster that `up` would use, or None where it would make one."""
    kind = shutil.which("kind")
    if kind is None or settings.context is not None:
        return _present(settings)
    return Cluster(f"kind-{settings.kind_cluster}") if settings.kind_cluster in _names(kind) else None


def down(settings: Settings, cluster: Cluster) -> bool:
    """Delete the cluster if `up` made it with kind; returns whether it did. Raises DeployError."""
    kind = shutil.which("kind")
    name = settings.kind_cluster
    if (
        kind is None
        or cluster.context != f"kind-{name}"
        or not cluster.objects("nodes", "--selector", _MADE_BY)
    ):
        return False
    tools.must(f"kind could not delete the cluster {name}", kind, "delete", "cluster", "--name", name)
    docker = tools.program(settings.docker)
    ours = tools.must(
        "docker does not answer", docker, "ps", "--all", "--quiet", "--filter", f"label={_MADE_BY}"
    )
    if ours.split():
        tools.must("the registry cannot be removed", docker, "rm", "--force", "--volumes", *ours.split())
    return True


def check_rights(cluster: Cluster, settings: Settings) -> None:
    """Refuse a namespace where nothing can be installed, before anything is built.

    Raises:
        DeployError: the cluster does not answer, or a right is missing.
    """
    for namespace in (settings.namespace, settings.worker_namespace):
        if cluster.kubectl("get", "namespace", namespace).returncode != 0:
            _check_right(cluster, "namespaces", None)
        for kind in ("secrets", "roles.rbac.authorization.k8s.io"):
            _check_right(cluster, kind, namespace)
    _check_right(cluster, "deployments.apps", settings.namespace)


def _check_right(cluster: Cluster, kind: str, namespace: str | None) -> None:
    where = ("--namespace", namespace) if namespace else ("--all-namespaces",)
    answer = cluster.kubectl("auth", "can-i", "create", kind, *where)
    said = answer.stdout.split()
    if said[:1] == ["no"]:
        place = f"in namespace {namespace}" if namespace else "in the cluster"
        raise DeployError(
            f"context {cluster.context} may not create {kind.partition('.')[0]} {place}: "
            "ask for the right, or choose others by NAMESPACE and WORKER_NAMESPACE"
        )
    if said[:1] != ["yes"]:
        raise DeployError(
            f"the cluster of context {cluster.context} does not answer: {tools.last_line(answer)}"
        )


def _present(settings: Settings) -> Cluster:
    kubectl = tools.program("kubectl")
    if settings.context is not None:
        known = tools.must("kubectl has no contexts", kubectl, "config", "get-contexts", "--output", "name")
        if settings.context not in known.split():
            raise UsageError(f"kubectl knows no context {settings.context}")
        return Cluster(settings.context)
    answer = tools.ask(kubectl, "config", "current-context")
    if answer.returncode != 0 or not answer.stdout.strip():
        raise DeployError("there is no cluster: install kind, or choose one by kubectl config use-context")
    return Cluster(answer.stdout.strip())


def _check_version(kind: str) -> None:
    said = tools.must("kind does not run", kind, "version")
    version = re.search(r"\bv(\d+)\.(\d+)\.", said)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST_KIND:
        raise DeployError(f"kind 0.27 or later is needed, and this is {said.strip()}")


def _names(kind: str) -> list[str]:
    return tools.must("kind does not answer", kind, "get", "clusters").split()


def _connect_registry(cluster: Cluster, kind: str, docker: str, name: str) -> None:
    """A registry on this machine whose name means the same here and on the cluster's nodes."""
    state = tools.ask(docker, "inspect", "--format", "{{.State.Running}}", _REGISTRY)
    if state.returncode != 0:
        tools.must(
            "the registry could not be started",
            *(docker, "run", "--detach", "--restart", "always", "--name", _REGISTRY, "--label", _MADE_BY),
            *("--publish", f"127.0.0.1:{_REGISTRY_PORT}:5000", _REGISTRY_IMAGE),
        )
    elif state.stdout.strip() != "true":
        tools.must("the registry could not be started", docker, "start", _REGISTRY)
    folder = f"/etc/containerd/certs.d/localhost:{_REGISTRY_PORT}"
    script = f"mkdir -p {folder} && cat > {folder}/hosts.toml"
    hosts = f'[host."http://{_REGISTRY}:5000"]\n'
    for node in tools.must("kind does not answer", kind, "get", "nodes", "--name", name).split():
        tools.must(
            f"the node {node} could not be told of the registry",
            *(docker, "exec", "--interactive", node, "sh", "-c", script),
            stdin=hosts,
        )
    networks = tools.must(
        "docker does not answer",
        docker,
        "inspect",
        "--format",
        "{{json .NetworkSettings.Networks}}",
        _REGISTRY,
    )
    if "kind" not in json.loads(networks):
        tools.must("the registry could not be connected", docker, "network", "connect", "kind", _REGISTRY)
    # What tells other tools, skaffold among them, of the registry (KEP-1755).
    told = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "local-registry-hosting", "namespace": "kube-public"},
        "data": {"localRegistryHosting.v1": f'host: "localhost:{_REGISTRY_PORT}"\n'},
    }
    answer = cluster.kubectl("apply", "--filename", "-", stdin=json.dumps(told))
    if answer.returncode != 0:
        raise DeployError(f"the cluster could not be told of the registry: {tools.last_line(answer)}")
