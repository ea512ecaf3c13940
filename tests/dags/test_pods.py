"""The pods that the tasks launch, without a cluster: what they are and what their ends mean."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.dags.airflow_side import IMAGE, Cluster, midnight, scheduled, template_context

TASKS = [
    ("sparkify_daily", "stage_events"),
    ("sparkify_daily", "stage_songs"),
    ("sparkify_daily", "load"),
    ("sparkify_daily", "check"),
    ("sparkify_tables", "tables_create"),
]
DAY = date(2018, 11, 3)


def test_the_rules_are_asked_of_every_task(bag: Any) -> None:
    assert {(dag.dag_id, task.task_id) for dag in bag.dags.values() for task in dag.tasks} == set(TASKS)


@pytest.fixture(params=TASKS, ids=lambda task: task[1])
def task(bag: Any, request: pytest.FixtureRequest) -> Any:
    """A task, rendered for a day."""
    dag_id, task_id = request.param
    dag = bag.dags[dag_id]
    rendered = dag.get_task(task_id).prepare_for_execution()
    interval = scheduled(bag.dags["sparkify_daily"]).infer_manual_data_interval(
        run_after=midnight(DAY).add(days=1)
    )
    rendered.render_template_fields(template_context(dag, interval, "manual__1"))
    return rendered


@pytest.fixture
def pod(task: Any) -> Any:
    return task.build_pod_request_obj(dry_run=True)


@pytest.fixture
def container(pod: Any) -> Any:
    (container,) = pod.spec.containers
    return container


def test_the_image_is_given_by_its_digest_and_owns_its_entrypoint(container: Any) -> None:
    assert container.image == IMAGE
    assert container.image_pull_policy == "IfNotPresent"
    assert not container.command


def test_settings_come_by_reference_alone(container: Any) -> None:
    assert not container.env
    references = [
        (source.config_map_ref and source.config_map_ref.name, source.secret_ref and source.secret_ref.name)
        for source in container.env_from
    ]
    assert references == [("sparkify-worker", None), (None, "sparkify-worker")]


def test_a_pod_is_allowed_where_pod_security_is_restricted(pod: Any, container: Any) -> None:
    assert pod.spec.security_context.run_as_non_root is True
    assert pod.spec.security_context.seccomp_profile.type == "RuntimeDefault"
    assert not pod.spec.host_network
    rights = container.security_context
    assert rights.allow_privilege_escalation is False
    assert rights.capabilities.drop == ["ALL"]
    assert not rights.capabilities.add
    assert rights.read_only_root_filesystem is True


def test_a_pod_has_a_place_to_write_and_no_other_volume(pod: Any, container: Any) -> None:
    (volume,) = pod.spec.volumes
    (mount,) = container.volume_mounts
    assert volume.empty_dir.size_limit == "1Gi"
    assert (mount.name, mount.mount_path) == (volume.name, "/tmp")


def test_a_pod_is_nobody_in_the_cluster(pod: Any) -> None:
    assert pod.metadata.namespace == "sparkify-jobs"
    assert pod.spec.service_account_name == "sparkify-worker"
    assert pod.spec.automount_service_account_token is False


def test_memory_is_reserved_whole_and_processors_are_not_throttled(container: Any) -> None:
    assert container.resources.requests["memory"] == container.resources.limits["memory"] == "512Mi"
    assert "cpu" in container.resources.requests
    assert "cpu" not in container.resources.limits


def test_a_pod_ends_by_itself_when_airflow_is_down_but_not_before_airflow_would_end_it(
    task: Any, pod: Any
) -> None:
    assert pod.spec.active_deadline_seconds == 7500
    assert task.execution_timeout.total_seconds() == 7200
    assert pod.spec.termination_grace_period_seconds == 120
    assert pod.spec.restart_policy == "Never"
    assert (task.schedule_timeout_seconds, task.startup_timeout_seconds) == (600, 300)


def test_a_pod_is_found_by_its_step_and_day(task: Any, pod: Any) -> None:
    expected = {"sparkify/step": task.task_id}
    if "--date" in task.arguments:
        expected["sparkify/day"] = "2018-11-03"
    ours = {name: value for name, value in pod.metadata.labels.items() if name.startswith("sparkify/")}
    assert ours == expected


def test_what_a_failed_pod_says_reaches_airflow_and_no_more(task: Any, container: Any) -> None:
    assert container.termination_message_policy == "FallbackToLogsOnError"
    assert task.log_events_on_failure is True
    assert task.log_pod_spec_on_failure is False
    assert task.get_logs is True


def test_there_is_no_sidecar_and_no_exec(task: Any, pod: Any) -> None:
    assert task.do_xcom_push is False
    assert len(pod.spec.containers) == 1
    assert not pod.spec.init_containers


def test_a_try_that_failed_is_repeated_with_growing_pauses(task: Any) -> None:
    assert task.retries == 4
    assert task.retry_delay.total_seconds() == 120
    assert task.retry_exponential_backoff == 2
    assert task.max_retry_delay.total_seconds() == 1800


def test_the_task_waits_for_its_pod_within_the_cluster(task: Any) -> None:
    assert task.in_cluster is True
    assert task.deferrable is False
    assert task.on_finish_action == "delete_active_pod"
    assert task.on_kill_action == "delete_pod"
    assert task.durable is True


@pytest.mark.parametrize("image", [None, "", "sparkify-worker:latest", "sparkify-worker@sha256:abc"])
def test_an_image_without_a_digest_is_refused(
    bag: Any, image: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pods

    monkeypatch.setenv("SPARKIFY_WORKER_IMAGE", image or "")
    if image is None:
        monkeypatch.delenv("SPARKIFY_WORKER_IMAGE")
    with pytest.raises(
        ValueError, match=r"^SPARKIFY_WORKER_IMAGE='.*' is not of the form repository@sha256:digest$"
    ):
        pods.worker("load")


class TestEnds:
    """What Airflow makes of a pod's end; the operator runs whole, against a cluster of one pod."""

    @pytest.fixture
    def operator(self, daily: Any) -> Any:
        return daily.get_task("load").prepare_for_execution()

    def test_success_is_success_and_the_pod_stays_for_its_log(self, daily: Any, operator: Any) -> None:
        cluster = Cluster(operator, 0)
        cluster.execute(daily)
        assert cluster.deleted == []

    def test_nothing_to_do_skips_the_task(self, daily: Any, operator: Any) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        with pytest.raises(AirflowSkipException, match="returned exit code 99"):
            Cluster(operator, 99).execute(daily)

    @pytest.mark.parametrize("exit_code", [1, 64])
    def test_what_a_retry_cannot_help_fails_at_once(self, daily: Any, operator: Any, exit_code: int) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        with pytest.raises(AirflowFailException, match="s3://source is not there"):
            Cluster(operator, exit_code).execute(daily)

    @pytest.mark.parametrize("exit_code", [75, 143, 137, 2, 255])
    def test_any_other_failure_is_retried(self, daily: Any, operator: Any, exit_code: int) -> None:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

        with pytest.raises(AirflowException, match="s3://source is not there") as failure:
            Cluster(operator, exit_code, "OOMKilled" if exit_code == 137 else "Error").execute(daily)
        assert not isinstance(failure.value, AirflowFailException | AirflowSkipException)

    @pytest.mark.parametrize("exit_code", [0, 1, 99, 143])
    def test_a_terminated_task_is_retried_whatever_its_pod_still_did(
        self, daily: Any, operator: Any, exit_code: int
    ) -> None:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

        cluster = Cluster(operator, exit_code, terminate=True)
        with pytest.raises(AirflowException, match="The task was terminated and its pod deleted") as failure:
            cluster.execute(daily)
        assert not isinstance(failure.value, AirflowFailException | AirflowSkipException)
        assert cluster.deleted == [cluster.pod.metadata.name]
