"""The chart: installed or upgraded, waited for, and removed."""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from deploy import tools
from deploy.cluster import Cluster
from deploy.errors import DeployError
from deploy.images import ROOT, Images
from deploy.settings import Settings

CHART = ROOT / "helm" / "sparkify"

_POLL_SECONDS = 2.0
_EVENTS = 5  # of each pod that is not ready


def fetch_dependency(ours: Path = CHART) -> None:
    """Have the archive of Airflow's chart within ours: from the cache, else from where Chart.yaml says.

    Raises:
        DeployError: it is in neither place.
    """
    (airflow,) = yaml.safe_load((ours / "Chart.yaml").read_text())["dependencies"]
    name = f"{airflow['name']}-{airflow['version']}.tgz"
    archive = ours / "charts" / name
    if archive.exists():
        return
    archive.parent.mkdir(exist_ok=True)
    cached = cache() / name
    if cached.exists():
        shutil.copy(cached, archive)
        return
    tools.must(
        f"{name} is not in {cached.parent}, and cannot be had from {airflow['repository']}",
        *(tools.program("helm"), "pull", airflow["name"], "--version", airflow["version"]),
        *("--repo", airflow["repository"], "--destination", archive.parent),
    )


def cache() -> Path:
    """Where archives of charts may lie on a machine that does not reach their repositories."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sparkify" / "charts"


def check_ours(cluster: Cluster, settings: Settings) -> bool:
    """Whether the release is there.

    Raises:
        DeployError: it is, and runs without the sandbox: then somebody else's work depends on it.
    """
    answer = cluster.helm(
        *("get", "values", settings.release, "--namespace", settings.namespace, "--all", "--output", "json")
    )
    if answer.returncode != 0:
        if "not found" in answer.stderr:
            return False
        raise DeployError(f"helm cannot read the release {settings.release}: {tools.last_line(answer)}")
    if not json.loads(answer.stdout).get("sandbox", {}).get("enabled"):
        raise DeployError(
            f"the release {settings.release} in namespace {settings.namespace} of context {cluster.context} "
            "runs without the sandbox, so it is none of make up's: change it with helm itself"
        )
    return True


def install(cluster: Cluster, settings: Settings, images: Images) -> None:
    """Install or upgrade the release, and wait until everything is ready.

    Raises:
        DeployError: helm refuses, or a part does not become ready; which one, and why, is printed.
    """
    repository, _, digest = images.airflow.partition("@")
    values = {
        "global.worker.image": images.worker,
        "global.worker.namespace": settings.worker_namespace,
        "airflow.images.airflow.repository": repository,
        "airflow.images.airflow.digest": digest,
        "sandbox.image": images.sandbox,
    }
    answer = cluster.helm(
        *("upgrade", "--install", settings.release, CHART),
        *("--namespace", settings.namespace, "--create-namespace"),
        *("--values", CHART / "values-kind.yaml"),
        *(part for file in settings.values for part in ("--values", file)),
        *(part for name, value in values.items() for part in ("--set-string", f"{name}={value}")),
    )
    if answer.returncode != 0:
        sys.stderr.write(answer.stderr)
        raise DeployError(f"helm could not install the release {settings.release}; it says why above")
    _wait(cluster, settings)


def notes(cluster: Cluster, settings: Settings) -> str:
    """What the chart says to type next."""
    answer = cluster.helm("get", "notes", settings.release, "--namespace", settings.namespace)
    if answer.returncode != 0:
        raise DeployError(f"helm has no notes of {settings.release}: {tools.last_line(answer)}")
    return answer.stdout.strip().removeprefix("NOTES:").strip()


def uninstall(cluster: Cluster, settings: Settings) -> None:
    """Remove the release, wait until its objects are gone. Raises DeployError."""
    answer = cluster.helm(
        *("uninstall", settings.release, "--namespace", settings.namespace),
        *("--wait", "--cascade", "foreground", "--timeout", f"{settings.ready_seconds}s"),
    )
    if answer.returncode != 0:
        raise DeployError(f"helm could not remove the release {settings.release}: {tools.last_line(answer)}")


def _wait(cluster: Cluster, settings: Settings) -> None:
    deadline = time.monotonic() + settings.ready_seconds
    told: list[str] = []
    while unready := _unready(cluster, settings):
        waiting = [item["metadata"]["name"] for item in unready]
        if waiting != told:
            print(f"waiting for {', '.join(waiting)}", file=sys.stderr, flush=True)
            told = waiting
        if time.monotonic() > deadline:
            _explain(cluster, settings)
            raise DeployError(
                f"not ready after {settings.ready_seconds} s: {', '.join(waiting)}; their pods are above"
            )
        for item in filter(_updates_by_hand, unready):
            _replace_unstarted(cluster, settings, item)
        time.sleep(_POLL_SECONDS)


def _unready(cluster: Cluster, settings: Settings) -> list[dict[str, Any]]:
    """The release's workloads that are not ready."""
    found = cluster.objects("deployments,statefulsets", "--namespace", settings.namespace)
    return [
        item
        for item in found
        if item["metadata"].get("annotations", {}).get("meta.helm.sh/release-name") == settings.release
        and not _is_ready(item)
    ]


def _replace_unstarted(cluster: Cluster, settings: Settings, item: dict[str, Any]) -> None:
    """Delete pods of an older specification that have never started: nobody else would, nothing is lost."""
    labels = ",".join(f"{name}={value}" for name, value in item["spec"]["selector"]["matchLabels"].items())
    for pod in cluster.objects("pods", "--namespace", settings.namespace, "--selector", labels):
        of = pod["metadata"]["labels"].get("controller-revision-hash")
        if pod["status"].get("phase") == "Pending" and of != item["status"].get("updateRevision"):
            cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--namespace", settings.namespace)


def _is_ready(item: dict[str, Any]) -> bool:
    """Whether all replicas are ready, and of the specification that was installed last."""
    spec, status = item["spec"], item.get("status", {})
    wanted = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0) == wanted
    updated = (
        _updates_by_hand(item) or status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted
    )
    seen: int = status.get("observedGeneration", 0)
    return bool(ready and updated and seen >= item["metadata"]["generation"])


def _updates_by_hand(item: dict[str, Any]) -> bool:
    """Whether it is a StatefulSet that keeps its old pods until they are deleted: they hold data."""
    return bool(item["spec"].get("updateStrategy", {}).get("type") == "OnDelete")


def _explain(cluster: Cluster, settings: Settings) -> None:
    """Print the pods that are not ready, why, and their last events."""
    for pod in cluster.objects("pods", "--namespace", settings.namespace):
        name, status = pod["metadata"]["name"], pod["status"]
        conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
        if conditions.get("Ready") == "True" or status.get("phase") == "Succeeded":
            continue
        print(f"\npod {name}: {status.get('phase', 'Unknown')}", file=sys.stderr)
        for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
            if why := _why(container["state"]):
                print(f"  container {container['name']}: {why}", file=sys.stderr)
        events = cluster.objects(
            "events", "--namespace", settings.namespace, "--field-selector", f"involvedObject.name={name}"
        )
        for event in events[-_EVENTS:]:
            print(f"  event {event.get('reason')}: {_one_line(event.get('message'))}", file=sys.stderr)


def _why(state: dict[str, Any]) -> str:
    """Why a container does not run; empty when it does, or has done its work."""
    waiting, ended = state.get("waiting"), state.get("terminated")
    if waiting:
        return " ".join(part for part in (waiting.get("reason"), _one_line(waiting.get("message"))) if part)
    if ended and ended["exitCode"] != 0:
        return (
            f"{ended.get('reason', 'Error')}, exit code {ended['exitCode']} {_one_line(ended.get('message'))}"
        )
    return ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
