"""What people get wrong: the message is where they look first, and putting it right is all there is to do.

That is `kubectl get events` of the pods' namespace for what Kubernetes refuses, the task's log in Airflow for
all that a task ran into, and `airflow dags list-import-errors` for a DAG that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import JOBS, NAMESPACE, RELEASE, helm, kubectl, objects, wait_until
from tests.e2e.conftest import Say
from tests.e2e.pipeline import DAILY, TABLES, Pipeline

WORKER = "sparkify-worker"


def test_an_image_that_cannot_be_pulled_then_a_rollback(loaded: Pipeline, say: Say) -> None:
    image = f"localhost:1/worker@sha256:{'0' * 64}"
    helm(
        "upgrade",
        RELEASE,
        "helm/sparkify",
        "-n",
        NAMESPACE,
        "--reset-then-reuse-values",
        "--set",
        f"global.worker.image={image}",
    )
    try:
        rolled_out()
        run = loaded.airflow.trigger(TABLES)
        log = first_failure(loaded, TABLES, run, "tables_create")
        events = messages()
    finally:
        helm("rollback", RELEASE, "-n", NAMESPACE)
        rolled_out()
    assert "ErrImagePull" in log or "ImagePullBackOff" in log, log
    assert image in log, log
    assert any(f'Failed to pull image "{image}"' in message for message in events), events
    tasks = loaded.ends(TABLES, run, "success")
    say(
        "task's log and events name the image; green after helm rollback",
        f"so; {', '.join(map(str, tasks.values()))}",
    )


def test_a_missing_secret(loaded: Pipeline, say: Say) -> None:
    with put_back("secret", WORKER):
        kubectl("delete", "secret", WORKER, "-n", JOBS)
        run = loaded.airflow.trigger(TABLES)
        told = f'secret "{WORKER}" not found'
        wait_until(f"an event says: {told}", 120, lambda: [each for each in messages() if told in each])
    loaded.ends(TABLES, run, "success")
    say("an event names the Secret; green once it is there", "so")


def test_a_warehouse_that_pods_cannot_reach(loaded: Pipeline, say: Say) -> None:
    with put_back("configmap", WORKER):
        set_to("SPARKIFY_WAREHOUSE_HOST", "localhost")
        run = loaded.airflow.trigger(TABLES)
        log = first_failure(loaded, TABLES, run, "tables_create")
    assert "warehouse localhost:5439, database dev, user awsuser cannot be reached" in log, log
    assert "check SPARKIFY_WAREHOUSE_HOST, _PORT, the network, and that the warehouse is up" in log, log
    loaded.ends(TABLES, run, "success")
    say("the task's log says what is not reached and what to check; green once it is right", "so")


def test_settings_that_are_wrong(loaded: Pipeline, say: Say) -> None:
    with put_back("configmap", WORKER):
        set_to("SPARKIFY_COPY_ROLE", "loader")
        run = loaded.airflow.trigger(TABLES)
        tasks = loaded.ends(TABLES, run, "failed")
    log = loaded.airflow.log(TABLES, run, "tables_create", 1)
    assert (
        "settings: SPARKIFY_COPY_ROLE='loader' is neither the ARN of an IAM role nor the word default" in log
    ), log
    assert tasks["tables_create"].tries == 1
    say("failed without a retry, the task's log names the setting", f"so; {tasks['tables_create']}")


def test_a_namespace_in_which_airflow_may_do_nothing(loaded: Pipeline, say: Say) -> None:
    binding = "sparkify-launcher"
    with put_back("rolebinding", binding):
        kubectl("delete", "rolebinding", binding, "-n", JOBS)
        run = loaded.airflow.trigger(TABLES)
        log = first_failure(loaded, TABLES, run, "tables_create")
    assert "is forbidden: User" in log, log
    assert f'in the namespace \\"{JOBS}\\"' in log or f'in the namespace "{JOBS}"' in log, log
    loaded.ends(TABLES, run, "success")
    say("the task's log says who may not do what in which namespace; green once it may", "so")


def test_a_day_without_files_fails_after_its_retries(loaded: Pipeline, say: Say) -> None:
    run = loaded.airflow.trigger(DAILY, "2018-12-26T00:00:00Z")
    tasks = loaded.ends(DAILY, run, "failed")
    assert {name: task.state for name, task in tasks.items()} == {
        "stage_events": "failed",
        "stage_songs": "success",
        "load": "upstream_failed",
        "check": "upstream_failed",
    }
    pods = loaded.pods.pods(run, "stage_events")
    assert [pod.exit_code for pod in pods] == [75] * tasks["stage_events"].tries
    log = loaded.airflow.log(DAILY, run, "stage_events", tasks["stage_events"].tries)
    assert "2018-12-25 has no object: looked for s3://sparkify-source/log_data/2018/12/" in log, log
    loaded.agrees()
    say("exit code 75 at every try, then failed; load not run; tables as before", f"so; {len(pods)} tries")


def test_a_dag_that_does_not_import(loaded: Pipeline, say: Say) -> None:
    processor = f"{RELEASE}-airflow-dag-processor"

    told = "SPARKIFY_WORKER_IMAGE='worker:latest' is not of the form repository@sha256:digest"
    with put_back("deployment", processor, NAMESPACE):
        kubectl(
            "set", "env", f"deployment/{processor}", "-n", NAMESPACE, "SPARKIFY_WORKER_IMAGE=worker:latest"
        )
        wait_until(
            "Airflow has the import errors",
            180,
            lambda: loaded.airflow.get("importErrors")["total_entries"] >= 2,
        )
        said = loaded.airflow.command("dags", "list-import-errors", "--output", "json", exit_code=1)
        errors = json.loads(said[said.index("[{") :])
    assert sorted(Path(error["filepath"]).name for error in errors) == [
        "sparkify_daily.py",
        "sparkify_tables.py",
    ]
    assert all(told in error["error"] for error in errors), errors
    wait_until(
        "the import errors are gone", 180, lambda: loaded.airflow.get("importErrors")["total_entries"] == 0
    )
    loaded.until_there()
    say("airflow dags list-import-errors names what is wrong, of both DAGs; gone once it is right", "so")


def set_to(setting: str, value: str) -> None:
    """As `kubectl edit` would. Of a setting that the ConfigMap has: others would stay when it is put back."""
    change = json.dumps({"data": {setting: value}})
    kubectl("patch", "configmap", WORKER, "-n", JOBS, "-p", change)


def rolled_out() -> None:
    of_release = ("-n", NAMESPACE, "-l", f"release={RELEASE}")
    kubectl("rollout", "status", "deployment", *of_release, "--timeout=300s", timeout=320)


def first_failure(pipeline: Pipeline, dag: str, run: str, task: str) -> str:
    """The log of a task's first try, once that has failed."""

    def failed() -> bool:
        return pipeline.airflow.tasks(dag, run)[task].state in ("up_for_retry", "failed")

    wait_until(f"the first try of {task} of {run} fails", 240, failed)
    return pipeline.airflow.log(dag, run, task, 1)


def messages() -> list[str]:
    return [event["message"] for event in objects("events", JOBS)]


@contextmanager
def put_back(kind: str, name: str, namespace: str = JOBS) -> Iterator[None]:
    """Whatever is done to an object by hand, it is helm's again afterwards, and as it was."""
    kept = json.loads(kubectl("get", kind, name, "-n", namespace, "-o", "json"))
    kept.pop("status", None)
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        kept["metadata"].pop(field, None)
    try:
        yield
    finally:
        owner = ("--server-side", "--force-conflicts", "--field-manager=helm")
        kubectl("apply", *owner, "-f", "-", stdin=json.dumps(kept))
