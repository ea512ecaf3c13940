"""What Airflow and a cluster do with a DAG: the scheduler's timetable, a run's context, a pod's life."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

DAGS = Path(__file__).parents[2] / "dags"
IMAGE = f"registry.example/sparkify-worker@sha256:{'0123456789abcdef' * 4}"


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
        "run_id": run_id,
        "logical_date": interval.start,
        "data_interval_start": interval.start,
        "data_interval_end": interval.end,
    }


class Cluster:
    """As much of the Kubernetes API as one pod needs: it ends with an exit code and leaves a log line.

    With `terminate`, the operator's process is told to end (SIGTERM) while it waits for the pod.
    """

    def __init__(self, operator: Any, exit_code: int, reason: str = "Error", terminate: bool = False) -> None:
        self.deleted: list[str] = []
        self.pod: Any = None
        self._exit_code = exit_code
        self._reason = reason
        self._terminate = terminate
        self._operator = operator
        self.api_client = Mock(sanitize_for_serialization=lambda pod: {})
        operator.client = self
        operator.hook = SimpleNamespace(is_in_cluster=True)

    def create_namespaced_pod(self, body: Any, namespace: str, **_: Any) -> Any:
        from kubernetes.client import models as k8s

        ended = k8s.V1ContainerStateTerminated(
            exit_code=self._exit_code,
            reason="Completed" if self._exit_code == 0 else self._reason,
            message="2018-11-04T00:00:01Z ERROR s3://source is not there",
        )
        self.pod = self._operator.pod_request_obj
        self.pod.status = k8s.V1PodStatus(
            phase="Succeeded" if self._exit_code == 0 else "Failed",
            container_statuses=[
                k8s.V1ContainerStatus(
                    name="base",
                    image=IMAGE,
                    image_id=IMAGE,
                    ready=False,
                    restart_count=0,
                    state=k8s.V1ContainerState(terminated=ended),
                )
            ],
        )
        return self.pod

    def list_namespaced_pod(self, namespace: str, **_: Any) -> Any:
        return SimpleNamespace(items=[self.pod] if self.pod else [])

    def read_namespaced_pod(self, name: str, namespace: str, **_: Any) -> Any:
        if self._terminate and not self.deleted:
            self._operator.on_kill()
        return self.pod

    def read_namespaced_pod_log(self, **_: Any) -> Any:
        from io import BytesIO

        from urllib3 import HTTPResponse

        return HTTPResponse(
            BytesIO(b"2018-11-04T00:00:01.000000Z a line\n"), preload_content=False, status=200
        )

    def patch_namespaced_pod(self, name: str, namespace: str, body: Any) -> None:
        self.pod.metadata.labels.update(body["metadata"]["labels"])

    def delete_namespaced_pod(self, name: str, namespace: str, **_: Any) -> None:
        self.deleted.append(name)

    def list_namespaced_event(self, **_: Any) -> Any:
        return SimpleNamespace(items=[], metadata=SimpleNamespace(resource_version="1"))

    def execute(self, dag: Any) -> None:
        """Run the operator as Airflow's task process does."""
        operator = self._operator
        instance = Mock(dag_id=dag.dag_id, task_id=operator.task_id, map_index=-1, try_number=1)
        context = {"ti": instance, "run_id": "scheduled__2018-11-04T00:00:00+00:00", "dag": dag}
        operator.name = operator._set_name(operator.name)
        operator.execute_sync(context)
