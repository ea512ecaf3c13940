"""What becomes of a task by its pod's end: the operator runs whole, against a cluster of its pods alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.dags.airflow_side import Cluster, ended, evicted, refusal, running, unschedulable, waiting


@pytest.fixture
def operator(daily: Any) -> Any:
    return daily.get_task("load").prepare_for_execution()


@pytest.fixture
def failure(daily: Any) -> Callable[[Cluster], str]:
    """Run a task that is to fail, and to be tried again; what it says, the pod called POD."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

    def run(cluster: Cluster) -> str:
        with pytest.raises(AirflowException) as raised:
            cluster.execute(daily)
        assert not isinstance(raised.value, AirflowFailException | AirflowSkipException)
        return re.sub(r"sparkify-load-\w{8}", "POD", str(raised.value))

    return run


def test_success_is_success_and_the_pod_stays_for_its_log(daily: Any, operator: Any) -> None:
    cluster = Cluster(operator, ended(0))
    cluster.execute(daily)
    assert cluster.deleted == []


def test_nothing_to_do_skips_the_task(daily: Any, operator: Any) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="returned exit code 99"):
        Cluster(operator, ended(99)).execute(daily)


@pytest.mark.parametrize("exit_code", [1, 64])
def test_what_a_retry_cannot_help_fails_at_once(daily: Any, operator: Any, exit_code: int) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException) as raised:
        Cluster(operator, ended(exit_code)).execute(daily)
    assert re.fullmatch(
        rf"Pod sparkify-load-\w{{8}} failed: exit code {exit_code}\n.*ERROR s3://source is not there",
        str(raised.value),
    )


@pytest.mark.parametrize("exit_code", [75, 143, 2, 255])
def test_any_other_exit_code_is_tried_again(
    operator: Any, failure: Callable[[Cluster], str], exit_code: int
) -> None:
    assert failure(Cluster(operator, ended(exit_code))) == (
        f"Pod POD failed: exit code {exit_code}\n2018-11-04T00:00:01Z ERROR s3://source is not there"
    )


def test_too_little_memory_is_named(operator: Any, failure: Callable[[Cluster], str]) -> None:
    said = failure(Cluster(operator, ended(137, "OOMKilled")))
    assert said.splitlines()[0] == "Pod POD failed: exit code 137; OOMKilled"


def test_a_pod_that_ran_too_long_says_so(operator: Any, failure: Callable[[Cluster], str]) -> None:
    status = ended(143, reason="DeadlineExceeded", message="Pod was active longer than its deadline")
    assert failure(Cluster(operator, status)).splitlines()[0] == (
        "Pod POD failed: exit code 143; DeadlineExceeded: Pod was active longer than its deadline"
    )


def test_an_evicted_pod_says_why(operator: Any, failure: Callable[[Cluster], str]) -> None:
    said = failure(Cluster(operator, evicted("The node was low on resource: memory.")))
    assert said == "Pod POD failed: Evicted: The node was low on resource: memory."


def test_a_pod_that_is_being_deleted_says_so(operator: Any, failure: Callable[[Cluster], str]) -> None:
    cluster = Cluster(operator, ended(143), deleting=True)
    assert failure(cluster).splitlines()[0] == "Pod POD failed: exit code 143; deleted while it ran"


def test_a_pod_that_somebody_deleted_is_a_failure(operator: Any, failure: Callable[[Cluster], str]) -> None:
    assert failure(Cluster(operator, running(), gone=True)) == "Pod POD was deleted before its end."


def test_an_image_that_is_not_there_fails_the_try_at_once(
    operator: Any, failure: Callable[[Cluster], str]
) -> None:
    cluster = Cluster(operator, waiting("ImagePullBackOff", "Back-off pulling image: not found"))
    assert failure(cluster) == "Pod POD failed: ImagePullBackOff: Back-off pulling image: not found"
    assert cluster.deleted == list(cluster.pods)


def test_a_secret_that_is_missing_is_named_once_the_time_to_start_is_over(
    operator: Any, failure: Callable[[Cluster], str]
) -> None:
    operator.startup_timeout_seconds = 0
    cluster = Cluster(operator, waiting("CreateContainerConfigError", 'secret "sparkify-worker" not found'))
    assert failure(cluster).startswith(
        'Pod POD failed: CreateContainerConfigError: secret "sparkify-worker" not found; Pod took too long'
    )
    assert cluster.deleted == list(cluster.pods)


def test_a_pod_without_a_node_says_what_it_asks_for(operator: Any, failure: Callable[[Cluster], str]) -> None:
    operator.schedule_timeout_seconds = 0
    cluster = Cluster(operator, unschedulable("0/1 nodes are available: 1 Insufficient memory."))
    assert failure(cluster).startswith(
        "Pod POD failed: Unschedulable: 0/1 nodes are available: 1 Insufficient memory.; Pod took too long"
    )
    assert cluster.deleted == list(cluster.pods)


def test_a_refused_pod_says_why_and_does_not_show_itself(
    operator: Any, failure: Callable[[Cluster], str], capsys: pytest.CaptureFixture[str]
) -> None:
    reason = 'pods "POD" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    cluster = Cluster(operator, running(), refused=refusal(403, reason))
    assert failure(cluster) == f"Kubernetes refused: {reason}"
    shown = "".join(capsys.readouterr())
    assert "Building pod" in shown
    assert "sparkify-worker" not in shown  # its ServiceAccount, ConfigMap and Secret


def test_a_pod_that_outlasts_its_task_is_deleted(operator: Any, failure: Callable[[Cluster], str]) -> None:
    from airflow.sdk.exceptions import AirflowTaskTimeout

    cluster = Cluster(operator, running(), cut=AirflowTaskTimeout("Timeout"))
    assert failure(cluster) == "Pod POD failed: it ran for longer than execution_timeout"
    assert cluster.deleted == list(cluster.pods)


@pytest.mark.parametrize("exit_code", [1, 99, 143])
def test_a_terminated_task_is_tried_again_and_its_pod_deleted(
    operator: Any, failure: Callable[[Cluster], str], exit_code: int
) -> None:
    cluster = Cluster(operator, ended(exit_code), terminate="while")
    assert failure(cluster) == "The task was terminated, and its pod POD deleted."
    assert cluster.deleted == list(cluster.pods)


def test_a_terminated_task_whose_pod_had_ended_well_ended_well(daily: Any, operator: Any) -> None:
    Cluster(operator, ended(0), terminate="while").execute(daily)


def test_a_task_that_is_terminated_while_its_pod_is_made_leaves_none(
    operator: Any, failure: Callable[[Cluster], str]
) -> None:
    cluster = Cluster(operator, running(), terminate="before")
    assert failure(cluster) == "The task was terminated before its pod had started."
    assert cluster.deleted == list(cluster.pods)


def test_the_pod_of_a_terminated_task_is_not_taken_over_while_it_is_being_deleted(
    daily: Any, operator: Any, failure: Callable[[Cluster], str]
) -> None:
    cluster = Cluster(operator, ended(143), terminate="while")
    failure(cluster)
    (pod,) = cluster.pods.values()
    assert cluster.checked(pod)


def test_a_pod_outlives_a_lost_connection_and_the_next_try_takes_it_over(daily: Any, operator: Any) -> None:
    from kubernetes.client.exceptions import ApiException

    lost = Cluster(operator, running(), cut=refusal(400, "the server is going away"))
    with pytest.raises(ApiException):
        lost.execute(daily)
    assert lost.deleted == []
    (pod,) = lost.pods.values()
    assert not lost.checked(pod)

    again = _next(lost, daily, running())
    pod.status = ended(0)
    again.execute(daily, try_number=2)
    assert list(again.pods) == [pod.metadata.name]
    assert again.checked(pod)


def test_a_pod_whose_end_airflow_was_not_told_is_not_run_again(daily: Any, operator: Any) -> None:
    first = Cluster(operator, ended(0))
    first.execute(daily)  # and then its process was killed
    again = _next(first, daily, ended(0))
    again.execute(daily, try_number=2)
    assert len(again.pods) == 1


@pytest.mark.parametrize("exit_code", [1, 99])
def test_nor_is_one_whose_failure_or_skip_airflow_was_not_told(
    daily: Any, operator: Any, exit_code: int
) -> None:
    from airflow.sdk.exceptions import AirflowException

    first = Cluster(operator, ended(exit_code))
    with pytest.raises(AirflowException) as told:
        first.execute(daily)
    again = _next(first, daily, ended(0))
    with pytest.raises(type(told.value)):
        again.execute(daily, try_number=2)
    assert len(again.pods) == 1


@pytest.mark.parametrize("exit_code", [75, 143])
def test_a_failure_that_may_pass_is_followed_by_another_pod(
    daily: Any, operator: Any, failure: Callable[[Cluster], str], exit_code: int
) -> None:
    from airflow.sdk.exceptions import AirflowException

    first = Cluster(operator, ended(exit_code))
    failure(first)
    again = _next(first, daily, ended(exit_code))
    with pytest.raises(AirflowException):
        again.execute(daily, try_number=2)
    third = _next(again, daily, ended(0))
    third.execute(daily, try_number=3)
    assert len(third.pods) == 3


def test_a_task_that_was_cleared_runs_anew(daily: Any, operator: Any) -> None:
    first = Cluster(operator, ended(0))
    first.execute(daily)
    again = _next(first, daily, ended(0))
    again.execute(daily, try_number=2, cleared=1)
    assert len(again.pods) == 2


def test_a_run_that_was_deleted_and_made_again_runs_anew(daily: Any, operator: Any) -> None:
    first = Cluster(operator, ended(0))
    first.execute(daily)
    again = _next(first, daily, ended(0))
    again.execute(daily, started=datetime.now(UTC) + timedelta(seconds=1))
    assert len(again.pods) == 2


def _next(cluster: Cluster, daily: Any, status: Any) -> Cluster:
    """The cluster as another try of the task finds it; a pod that is made has the status."""
    after = Cluster(daily.get_task("load").prepare_for_execution(), status)
    after.pods = cluster.pods
    return after
