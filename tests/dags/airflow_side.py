"""What Airflow and a cluster do with a DAG: the scheduler's timetable, a run's context, a pod's life."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

STARTED = datetime(2018, 11, 4, tzinfo=UTC)
DAGS = Path(__file__).parents[2] / "dags"
IMAGE = f"registry.example/sparkify-worker@sha256:{'0123456789abcdef' * 4}"

# What the graphs import from beside them.
_MODULES = ("notices", "pods", "worker_pod", "sparkify_daily", "sparkify_tables")


@contextmanager
def read_by_airflow(folder: Path, home: Path) -> Iterator[Any]:
    """Airflow's own reading of a DAG folder, with an empty AIRFLOW_HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(home))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("SPARKIFY_WORKER_IMAGE", IMAGE)
        patch.syspath_prepend(str(folder))
        for name in _MODULES:
            patch.delitem(sys.modules, name, raising=False)
        with warnings.catch_warnings():
            # Airflow's own, while it is imported; ours would be import errors.
            warnings.simplefilter("ignore")
            from airflow.dag_processing.dagbag import DagBag

            yield DagBag(folder, bundle_path=folder, bundle_name="dags")
        for name in _MODULES:
            sys.modules.pop(name, None)


def scheduled(dag: Any) -> Any:
    """The timetable as the scheduler has it: from the DAG's serialized form."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).timetable


def midnight(day: date) -> Any:
    from pendulum import instance

    return instance(datetime.combine(day, time(), UTC))


def template_context(dag: Any, interval: Any, run_id: str) -> dict[str, Any]:
    return {
        "dag": dag,
        "dag_run": SimpleNamespace(clear_number=0),
        "run_id": run_id,
        "logical_date": interval.start,
        "data_interval_start": interval.start,
        "data_interval_end": interval.end,
    }


def ended(exit_code: int, why: str | None = None, **pod: Any) -> Any:
    """The status of a pod whose container has ended."""
    from kubernetes.client import models as k8s

    state = k8s.V1ContainerStateTerminated(
        exit_code=exit_code,
        reason=why or ("Error" if exit_code else "Completed"),
        message="2018-11-04T00:00:01Z ERROR s3://source is not there",
    )
    return _status("Failed" if exit_code else "Succeeded", k8s.V1ContainerState(terminated=state), **pod)


def running() -> Any:
    from kubernetes.client import models as k8s

    return _status("Running", k8s.V1ContainerState(running=k8s.V1ContainerStateRunning()))


def waiting(reason: str, message: str) -> Any:
    """The status of a pod that has a node, and whose container cannot start."""
    from kubernetes.client import models as k8s

    state = k8s.V1ContainerStateWaiting(reason=reason, message=message)
    return _status(
        "Pending",
        k8s.V1ContainerState(waiting=state),
        conditions=[k8s.V1PodCondition(type="PodScheduled", status="True")],
    )


def unschedulable(message: str) -> Any:
    from kubernetes.client import models as k8s

    condition = k8s.V1PodCondition(
        type="PodScheduled", status="False", reason="Unschedulable", message=message
    )
    return k8s.V1PodStatus(phase="Pending", conditions=[condition])


def evicted(message: str) -> Any:
    """The status of a pod that the node threw out before its container had started."""
    from kubernetes.client import models as k8s

    return k8s.V1PodStatus(phase="Failed", reason="Evicted", message=message)


def _status(phase: str, state: Any, **pod: Any) -> Any:
    from kubernetes.client import models as k8s

    container = k8s.V1ContainerStatus(
        name="base", image=IMAGE, image_id=IMAGE, ready=False, restart_count=0, state=state
    )
    return k8s.V1PodStatus(phase=phase, container_statuses=[container], **pod)


def refusal(status: int, message: str) -> Exception:
    """What the Kubernetes client raises, with the API server's answer."""
    import json

    from kubernetes.client.exceptions import ApiException

    error = ApiException(status=status, reason="Forbidden")
    error.body = json.dumps({"kind": "Status", "message": message})
    return error


class Cluster:
    """As much of the Kubernetes API as one task's pods need: each has the status that is given here.

    With `terminate`, the operator's process is told to end (SIGTERM): "before" the pod is there, or "while"
    it is waited for. `refused` is raised instead of making a pod, `cut` instead of reading its log. A pod
    that is `gone` was deleted by somebody once it had been found; one that is `deleting` still ends.
    """

    def __init__(
        self,
        operator: Any,
        status: Any,
        *,
        terminate: str = "",
        refused: Exception | None = None,
        cut: BaseException | None = None,
        gone: bool = False,
        deleting: bool = False,
    ) -> None:
        self.pods: dict[str, Any] = {}
        self.deleted: list[str] = []
        self.api_client = Mock(sanitize_for_serialization=lambda pod: pod)
        self._operator = operator
        self._status = status
        self._terminate = terminate
        self._refused = refused
        self._cut = cut
        self._gone = gone
        self._deleting = deleting
        self._store: dict[str, Any] = {}
        operator.client = self
        operator.hook = SimpleNamespace(is_in_cluster=True, get_pod=self.read_namespaced_pod)

    def create_namespaced_pod(self, body: Any, namespace: str, **_: Any) -> Any:
        if self._refused:
            raise self._refused
        if self._terminate == "before":
            self._operator.on_kill()
        body.status = self._status
        body.metadata.creation_timestamp = datetime.now(UTC)
        self.pods[body.metadata.name] = body
        return body

    def list_namespaced_pod(self, namespace: str, label_selector: str, **_: Any) -> Any:
        wanted = dict(each.split("=") for each in label_selector.split(",") if "!" not in each)
        unchecked = "already_checked!=True" in label_selector
        return SimpleNamespace(
            items=[
                pod
                for pod in self.pods.values()
                if wanted.items() <= pod.metadata.labels.items() and not (unchecked and self.checked(pod))
            ]
        )

    def read_namespaced_pod(self, name: str, namespace: str, **_: Any) -> Any:
        if self._terminate == "while" and not self.deleted:
            self._operator.on_kill()
        if self._gone:
            raise refusal(404, f'pods "{name}" not found')
        if self._deleting:
            self.pods[name].metadata.deletion_timestamp = datetime.now(UTC)
        return self.pods[name]

    def read_namespaced_pod_log(self, **_: Any) -> Any:
        from io import BytesIO

        from urllib3 import HTTPResponse

        if self._cut:
            raise self._cut
        return HTTPResponse(
            BytesIO(b"2018-11-04T00:00:01.000000Z a line\n"), preload_content=False, status=200
        )

    def patch_namespaced_pod(self, name: str, namespace: str, body: Any) -> None:
        self.pods[name].metadata.labels.update(body["metadata"]["labels"])

    def delete_namespaced_pod(self, name: str, namespace: str, **_: Any) -> None:
        self.deleted.append(name)

    def list_namespaced_event(self, **_: Any) -> Any:
        return SimpleNamespace(items=[], metadata=SimpleNamespace(resource_version="1"))

    @staticmethod
    def checked(pod: Any) -> bool:
        """Whether a try has taken note of the pod's end, so that no other will."""
        return pod.metadata.labels.get("already_checked") == "True"

    def execute(self, dag: Any, try_number: int = 1, cleared: int = 0, started: datetime = STARTED) -> None:
        """Run the operator as Airflow's task process does."""
        operator = self._operator
        instance = Mock(dag_id=dag.dag_id, task_id=operator.task_id, map_index=-1, try_number=try_number)
        context = {
            "ti": instance,
            "run_id": "scheduled__2018-11-04T00:00:00+00:00",
            "dag": dag,
            "dag_run": SimpleNamespace(clear_number=cleared, start_date=started),
            "task_state_store": SimpleNamespace(get=self._store.get, set=self._store.__setitem__),
        }
        operator.labels = {**operator.labels, "sparkify/cleared": str(cleared)}
        operator.name = operator._set_name(operator.name)
        operator.execute_sync(context)
