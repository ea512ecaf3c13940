"""What happens to pods, to Airflow and to the warehouse in the middle of a run.

Each scenario first delivers a day's file again with other content and clears the day's run: tables that were
right before are wrong until the day is really loaded.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.airflow_api import Task
from tests.e2e.cluster import JOBS, NAMESPACE, RELEASE, Pod, kubectl, wait_until
from tests.e2e.conftest import Say
from tests.e2e.pipeline import DAILY, Pipeline
from tests.e2e.sandbox import pod_of_sandbox

RECOVERS = "tried again, green; tables and ledger equal the files; no pod left"

# Long enough to be struck in, and never waited for: what strikes it ends it.
LONG = 240


def copying(pipeline: Pipeline, day: str, seconds: float = LONG) -> tuple[str, Pod, int]:
    """A run of the day whose stage_events is in the middle of its COPY: its id, the pod, the tries before."""
    pipeline.hold_copy(seconds)
    since = pipeline.warehouse.last_statement()
    run = pipeline.airflow.run_of(day)
    before = pipeline.airflow.tasks(DAILY, run)["stage_events"].tries
    pipeline.again(day)
    return run, pipeline.until_copying(run, since), before


def recovered(pipeline: Pipeline, run: str, tries: int | None = None) -> str:
    """The run ends green and every table is right; tells what became of its pods."""
    tasks = pipeline.ends(DAILY, run, "success")
    assert {task.state for task in tasks.values()} == {"success"}
    pipeline.agrees()
    pods = ", ".join(map(str, pipeline.pods.pods(run, "stage_events")))
    return f"green; stage_events: {pods}; tables and ledger equal; no pod left"


def tries(pipeline: Pipeline, run: str, before: int) -> int:
    return pipeline.airflow.tasks(DAILY, run)["stage_events"].tries - before


def cancelled_copies(pipeline: Pipeline, since: int) -> int:
    """COPYs of events that were cancelled."""
    ((number,),) = pipeline.warehouse.rows(
        f"select count(*) from sandbox.statements where number > {since} and sqlstate = '57014'"
        " and lower(sql) like 'copy staging_events%'"
    )
    return int(number)


def test_a_worker_pod_killed_in_the_middle_of_a_copy(loaded: Pipeline, say: Say) -> None:
    run, pod, before = copying(loaded, loaded.days[2])
    kubectl("delete", "pod", pod.name, "-n", JOBS, "--grace-period=0", "--force")
    seen = recovered(loaded, run)
    assert tries(loaded, run, before) == 2
    say(RECOVERS, seen)


def test_a_worker_pod_evicted_through_the_api(loaded: Pipeline, say: Say) -> None:
    since = loaded.warehouse.last_statement()
    run, pod, before = copying(loaded, loaded.days[3])
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": JOBS},
    }
    path = f"/api/v1/namespaces/{JOBS}/pods/{pod.name}/eviction"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    seen = recovered(loaded, run)
    assert tries(loaded, run, before) == 2
    assert cancelled_copies(loaded, since) == 1
    say(f"{RECOVERS}; the COPY cancelled", f"{seen}; COPY cancelled")


def test_a_worker_pod_evicted_by_the_node_for_its_disk(loaded: Pipeline, say: Say) -> None:
    run, pod, before = copying(loaded, loaded.days[4])
    fill = "f = open('/tmp/full', 'wb')\nfor _ in range(1100): f.write(bytes(1 << 20))"
    kubectl("exec", pod.name, "-n", JOBS, "--", "python", "-c", fill)
    wait_until(
        "the kubelet evicts the pod",
        200,
        lambda: [each for each in loaded.pods.pods(run, "stage_events") if each.reason == "Evicted"],
    )
    seen = recovered(loaded, run)
    log = loaded.log(DAILY, run, "stage_events", before + 1)
    assert 'Usage of EmptyDir volume "tmp" exceeds the limit "1Gi"' in log, log
    assert tries(loaded, run, before) == 2
    say(f"{RECOVERS}; the task's log says Evicted and why", f"{seen}; its log says so")


def test_the_task_process_sent_sigterm(loaded: Pipeline, say: Say) -> None:
    since = loaded.warehouse.last_statement()
    run, pod, before = copying(loaded, loaded.days[5])
    identity = loaded.airflow.identity(DAILY, run, "stage_events")
    # setproctitle gives the task's process the id of its task instance.
    terminate = (
        "import os, pathlib, signal\n"
        "for each in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        f"    if each.read_bytes().startswith(b'airflow worker -- {identity}'):\n"
        "        os.kill(int(each.parent.name), signal.SIGTERM)\n"
        "        print('sent')\n"
    )
    assert in_scheduler("python", "-c", terminate) == "sent\n"
    seen = recovered(loaded, run)
    assert tries(loaded, run, before) == 2
    assert loaded.pods.pods(run, "stage_events")[0].name == pod.name
    assert not loaded.pods.pods(run, "stage_events")[0].succeeded
    assert cancelled_copies(loaded, since) == 1
    say(f"the try fails, its pod is deleted, the COPY cancelled; {RECOVERS}", seen)


def in_scheduler(*command: str) -> str:
    return kubectl(
        *(
            "exec",
            "-n",
            NAMESPACE,
            f"deployment/{RELEASE}-airflow-scheduler",
            "-c",
            "scheduler",
            "--",
            *command,
        )
    )


def test_the_scheduler_killed(loaded: Pipeline, say: Say) -> None:
    run, pod, _ = copying(loaded, loaded.days[6], seconds=30)
    selector = f"component=scheduler,release={RELEASE}"
    kubectl("delete", "pod", "-n", NAMESPACE, "-l", selector, "--grace-period=0", "--force")
    seen = recovered(loaded, run)
    assert [each.name for each in loaded.pods.pods(run, "stage_events")] == [pod.name]
    say("the next scheduler goes on with the same pod; green; tables and ledger equal the files", seen)


def test_the_warehouse_restarted(loaded: Pipeline, say: Say) -> None:
    run, _, _ = copying(loaded, loaded.days[7])
    restart_warehouse()
    seen = recovered(loaded, run)
    say("the worker or its next try goes on after it; green; tables and ledger equal the files", seen)


def restart_warehouse() -> None:
    """Kill PostgreSQL, without which the sandbox ends; the kubelet starts its container again."""
    pod = pod_of_sandbox()
    before = restarts(pod)
    kill = (
        "import os, pathlib, signal\n"
        "(file,) = pathlib.Path('/').glob('*/postgres/**/postmaster.pid')\n"
        "os.kill(int(file.read_text().split()[0]), signal.SIGKILL)\n"
    )
    kubectl("exec", pod, "-n", NAMESPACE, "--", "python", "-c", kill)
    wait_until("the sandbox's container is started again", 60, lambda: restarts(pod) > before)


def restarts(pod: str) -> int:
    status = json.loads(kubectl("get", "pod", pod, "-n", NAMESPACE, "-o", "json"))["status"]
    return sum(container["restartCount"] for container in status["containerStatuses"])


def test_a_run_marked_failed_by_its_user(loaded: Pipeline, say: Say) -> None:
    since = loaded.warehouse.last_statement()
    run, _, _ = copying(loaded, loaded.days[8])
    loaded.airflow.mark(DAILY, run, "failed")
    tasks: dict[str, Task] = loaded.ends(DAILY, run, "failed")
    assert tasks["stage_events"].state == "failed"
    wait_until("the COPY is cancelled", 60, lambda: cancelled_copies(loaded, since) == 1)
    loaded.source.correct(loaded.days[8])  # the file as it was: nothing of the other one may be there
    loaded.agrees()
    say("the pod deleted, the COPY cancelled, tables as before", "so")


@pytest.mark.skip(reason="synchronous pods: no task waits in the triggerer, and none is installed")
def test_the_triggerer_killed() -> None: ...
