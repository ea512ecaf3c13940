"""The operator of the worker pods: what a pod's end means for its task."""

import json
import sys
import time
from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import (
    PodLaunchTimeoutException,
    PodManager,
    PodPhase,
)
from airflow.sdk import Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError


class WorkerPodOperator(KubernetesPodOperator):
    """A pod whose end, and nothing else, decides what becomes of its task.

    `skip_on_exit_code` skips the task, `fail_on_exit_code` fails it without retries, any other code but 0
    fails the try.

    Raises:
        AirflowSkipException: there was nothing to do.
        AirflowFailException: the data, the command line or the settings are wrong.
        AirflowException: any other failure, also the task's own termination: the operator that this one
            extends ends such a task as a success (apache/airflow#73006).
    """

    def __init__(self, *, fail_on_exit_code: tuple[int, ...], **settings: Any) -> None:
        super().__init__(**settings)
        self.fail_on_exit_code = fail_on_exit_code

    @cached_property
    def pod_manager(self) -> PodManager:
        return _PodManager(kube_client=self.client, callbacks=self.callbacks)

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        try:
            pod = self._find_untold(context) or super().get_or_create_pod(pod_request_obj, context)
        except ApiException as refusal:
            raise AirflowException(f"Kubernetes refused: {_message(refusal)}") from None
        if self._killed:  # when there was no pod yet that could have been deleted
            self.pod = pod
            self.on_kill()
            raise AirflowException("The task was terminated before its pod had started.")
        return pod

    def _find_untold(self, context: Context) -> k8s.V1Pod | None:
        """A pod whose end decides, and has not: the task's process was killed before it had told Airflow.

        Only of this run since it was last cleared, by the pod's age and by its labels.
        """
        labels = self._build_find_pod_label_selector(context, exclude_checked=False)
        decisive = {0, *self.skip_on_exit_code, *self.fail_on_exit_code}
        for pod in self.client.list_namespaced_pod(self.namespace, label_selector=labels).items:
            is_ours = pod.metadata.creation_timestamp >= context["dag_run"].start_date
            if is_ours and _exit_code(pod, self.base_container_name) in decisive:
                self.log.info("Pod %s has done the work in an earlier try.", pod.metadata.name)
                return pod
        return None

    def await_pod_completion(self, pod: k8s.V1Pod) -> None:
        super().await_pod_completion(pod)
        # The container has ended and the pod is about to. What comes next looks every 2 seconds.
        for _ in range(10):
            if self.pod_manager.read_pod(pod).status.phase in PodPhase.terminal_states:
                break
            time.sleep(0.2)

    def on_kill(self) -> None:
        if self.pod:  # the next try is to make a pod of its own, not to wait for one that is being deleted
            self.patch_already_checked(self.pod, reraise=False)
        super().on_kill()

    def cleanup(
        self,
        pod: k8s.V1Pod,
        remote_pod: k8s.V1Pod | None,
        xcom_result: dict | None = None,
        context: Context | None = None,
    ) -> None:
        """Decide by the pod. It is called however waiting for the pod came to its end."""
        problem = sys.exc_info()[1]  # that ended the waiting
        if remote_pod is None:
            return  # no pod was made
        try:
            remote_pod = self.pod_manager.read_pod(remote_pod)  # it was read before the waiting began
        except ApiException as error:
            if error.status != 404:
                raise
            raise AirflowException(self._ended_from_outside(remote_pod)) from None
        ended = remote_pod.status.phase in PodPhase.terminal_states
        if isinstance(problem, ApiException | HTTPError) and not ended and not self._killed:
            return  # the connection to Kubernetes failed, not the pod: the next try takes it over
        try:
            super().cleanup(pod, remote_pod, xcom_result=xcom_result, context=context)
        except AirflowSkipException:
            raise
        except AirflowException:
            failure = _failure(remote_pod, self.base_container_name, None if ended else problem)
            if _exit_code(remote_pod, self.base_container_name) in self.fail_on_exit_code:
                raise AirflowFailException(failure) from None
            raise AirflowException(failure) from None
        if self._killed and remote_pod.status.phase != PodPhase.SUCCEEDED:
            raise AirflowException(self._ended_from_outside(remote_pod))

    def _ended_from_outside(self, pod: k8s.V1Pod) -> str:
        if self._killed:
            return f"The task was terminated, and its pod {pod.metadata.name} deleted."
        return f"Pod {pod.metadata.name} was deleted before its end."


class _PodManager(PodManager):
    def run_pod_async(self, pod: k8s.V1Pod, **settings: Any) -> k8s.V1Pod:
        """Create the pod. The method that this one replaces logs the whole of a pod that is refused."""
        return self._client.create_namespaced_pod(body=pod, namespace=pod.metadata.namespace, **settings)


def _exit_code(pod: k8s.V1Pod, container: str) -> int | None:
    """The container's exit code, or None where it never ended (evicted, never started)."""
    ended = _state(pod, container).terminated
    return ended.exit_code if ended else None


def _state(pod: k8s.V1Pod, container: str) -> k8s.V1ContainerState:
    for status in pod.status.container_statuses or []:
        if status.name == container and status.state:
            return status.state
    return k8s.V1ContainerState()


def _failure(pod: k8s.V1Pod, container: str, problem: BaseException | None) -> str:
    """A line that says how the pod ended or what it waits for, and the last lines of its log."""
    state, told = _state(pod, container), []
    if state.terminated:
        told.append(f"exit code {state.terminated.exit_code}")
        if state.terminated.reason not in (None, "Error", "Completed"):
            told.append(state.terminated.reason)  # OOMKilled, StartError
    if state.waiting:
        told.append(f"{state.waiting.reason}: {state.waiting.message}")
    told += [
        f"{condition.reason}: {condition.message}"  # Unschedulable
        for condition in pod.status.conditions or []
        if condition.type == "PodScheduled" and condition.status == "False"
    ]
    if pod.status.reason:
        told.append(f"{pod.status.reason}: {pod.status.message}")  # Evicted, DeadlineExceeded
    if pod.metadata.deletion_timestamp:
        told.append("deleted while it ran")
    if isinstance(problem, PodLaunchTimeoutException):
        told.append(str(problem))
    if isinstance(problem, AirflowTaskTimeout):
        told.append("it ran for longer than execution_timeout")
    lines = (state.terminated and state.terminated.message) or ""
    return f"Pod {pod.metadata.name} failed: {'; '.join(told) or pod.status.phase}\n{lines}".strip()


def _message(refusal: ApiException) -> str:
    try:
        return json.loads(refusal.body)["message"]
    except (TypeError, ValueError, KeyError):
        return f"{refusal.status} {refusal.reason}"
