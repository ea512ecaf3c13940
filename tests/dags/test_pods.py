"""The pods that the tasks launch, without a cluster: what they are and what their ends mean."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.dags.airflow_side import IMAGE, midnight, scheduled, template_context

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


def test_a_pod_has_a_place_to_write_and_authorities_if_there_are_any(pod: Any, container: Any) -> None:
    temporary, authorities = pod.spec.volumes
    assert temporary.empty_dir.size_limit == "1Gi"
    assert (authorities.config_map.name, authorities.config_map.optional) == ("sparkify-worker-ca", True)
    assert [(mount.name, mount.mount_path, mount.read_only) for mount in container.volume_mounts] == [
        (temporary.name, "/tmp", None),
        (authorities.name, "/etc/sparkify/ca", True),
    ]


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
    expected = {"sparkify/step": task.task_id, "sparkify/cleared": "0"}
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


def test_the_first_pause_and_the_pods_namespace_are_settings(
    bag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKIFY_RETRY_SECONDS", "10")
    monkeypatch.setenv("SPARKIFY_WORKER_NAMESPACE", "jobs")
    import pods

    task = pods.worker("load")
    assert task.retry_delay.total_seconds() == 10
    assert task.namespace == "jobs"


@pytest.mark.parametrize("seconds", ["", "0", "2m", "-1", "1.5"])
def test_a_pause_that_is_no_number_of_seconds_is_refused(
    bag: Any, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pods

    monkeypatch.setenv("SPARKIFY_RETRY_SECONDS", seconds)
    with pytest.raises(
        ValueError, match=f"^SPARKIFY_RETRY_SECONDS='{seconds}' is not a whole number of seconds$"
    ):
        pods.worker("load")


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
