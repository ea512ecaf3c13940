"""What happens to pods, to Airflow and to the warehouse in the middle of a run.

Each scenario first delivers a day's file again with other content and clears the day's run: tables that were
right before are wrong until the day is really loaded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tests.e2e.cluster import JOBS, NAMESPACE, RELEASE, Pod, kubectl, wait_until
from tests.e2e.conftest import Say
from tests.e2e.pipeline import DAILY, Pipeline

RECOVERS = "tried again, green; tables and ledger equal the files; no pod left"


@dataclass(frozen=True)
class Run:
    """A day's run whose stage_events is in the middle of its COPY."""

    id: str
    pod: Pod
    tries: int  # that the task had before
    statement: int  # that was the warehouse's last before


def copying(pipeline: Pipeline, day: str, seconds: float = 240) -> Run:
    """Load the day again, until it is in its COPY. Nobody waits for its seconds: something strikes.

    stage_songs is done by then. Of a step whose pod has ended, and whose task has not said so yet, a
    scheduler that dies knows nothing: the next one has it done once more, which changes nothing.
    """
    before = pipeline.warehouse.last_statement()
    pipeline.hold_copy(seconds)
    tries = pipeline.airflow.tasks(DAILY, pipeline.airflow.runs_of_days()[day])["stage_events"].tries
    run = pipeline.again(day)
    pod = pipeline.until_copying(run, before)
    wait_until(
        "stage_songs is done",
        60,
        lambda: pipeline.airflow.tasks(DAILY, run)["stage_songs"].state == "success",
    )
    return Run(run, pod, tries, before)


def recovered(pipeline: Pipeline, run: Run, tries: int | None = None) -> str:
    """The run ends green after so many tries, and every table is right; what became of the pods."""
    tasks = pipeline.ends(DAILY, run.id, "success")
    assert {task.state for task in tasks.values()} == {"success"}
    assert tries in (None, tasks["stage_events"].tries - run.tries)
    pipeline.agrees()
    pods = ", ".join(map(str, pipeline.pods.pods(run.id, "stage_events")))
    return f"green; stage_events: {pods}; tables and ledger equal; no pod left"


def cancelled_copies(pipeline: Pipeline, run: Run) -> int:
    """COPYs of events that were cancelled since the run began."""
    ((number,),) = pipeline.warehouse.rows(
        f"select count(*) from sandbox.statements where number > {run.statement} and sqlstate = '57014'"
        " and application like 'sparkify%' and sql like '%copy staging_events%'"
    )
    return int(number)


def test_a_worker_pod_killed_in_the_middle_of_a_copy(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[2])
    kubectl("delete", "pod", run.pod.name, "-n", JOBS, "--grace-period=0", "--force")
    say(RECOVERS, recovered(loaded, run, tries=2))


def test_a_worker_pod_evicted_through_the_api(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[3])
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": run.pod.name, "namespace": JOBS},
    }
    path = f"/api/v1/namespaces/{JOBS}/pods/{run.pod.name}/eviction"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    seen = recovered(loaded, run, tries=2)
    assert cancelled_copies(loaded, run) == 1
    say(f"the COPY cancelled; {RECOVERS}", f"COPY cancelled; {seen}")


def test_a_worker_pod_evicted_by_its_node_for_its_disk(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[4 % len(loaded.days)])
    fill = "f = open('/tmp/full', 'wb')\nfor _ in range(1100): f.write(bytes(1 << 20))"
    kubectl("exec", run.pod.name, "-n", JOBS, "--", "python", "-c", fill)
    wait_until(
        "the kubelet evicts the pod",
        200,
        lambda: [pod for pod in loaded.pods.pods(run.id, "stage_events") if pod.reason == "Evicted"],
    )
    seen = recovered(loaded, run, tries=2)
    log = loaded.airflow.log(DAILY, run.id, "stage_events", run.tries + 1)
    assert 'Evicted: Usage of EmptyDir volume "tmp" exceeds the limit "1Gi"' in log, log
    say(f"the task's log says Evicted, and why; {RECOVERS}", f"so; {seen}")


def test_the_task_process_sent_sigterm(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[5 % len(loaded.days)])
    # setproctitle gives the task's process the id of its task instance.
    title = f"airflow worker -- {loaded.airflow.identity(DAILY, run.id, 'stage_events')}"
    terminate = (
        "import os, pathlib, signal\n"
        "for each in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        f"    if each.read_bytes().startswith(b'{title}'):\n"
        "        os.kill(int(each.parent.name), signal.SIGTERM)\n"
        "        print('sent')\n"
    )
    scheduler = f"deployment/{RELEASE}-airflow-scheduler"
    sent = kubectl("exec", "-n", NAMESPACE, scheduler, "-c", "scheduler", "--", "python", "-c", terminate)
    assert sent == "sent\n"
    seen = recovered(loaded, run, tries=2)
    assert not loaded.pods.pods(run.id, "stage_events")[0].succeeded
    assert cancelled_copies(loaded, run) == 1
    say(f"the try fails, its pod is deleted, the COPY cancelled; {RECOVERS}", f"so; {seen}")


def test_the_scheduler_killed(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[6 % len(loaded.days)], seconds=30)
    selector = f"component=scheduler,release={RELEASE}"
    kubectl("delete", "pod", "-n", NAMESPACE, "-l", selector, "--grace-period=0", "--force")
    seen = recovered(loaded, run)
    assert [pod.name for pod in loaded.pods.pods(run.id, "stage_events")] == [run.pod.name]
    say("the next scheduler goes on with the same pod; green; tables and ledger equal the files", seen)


def test_the_scheduler_rolled_out_anew(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[9 % len(loaded.days)], seconds=30)
    scheduler = f"deployment/{RELEASE}-airflow-scheduler"
    kubectl("rollout", "restart", scheduler, "-n", NAMESPACE)
    kubectl("rollout", "status", scheduler, "-n", NAMESPACE, "--timeout=300s", timeout=320)
    seen = recovered(loaded, run)
    assert [pod.name for pod in loaded.pods.pods(run.id, "stage_events")] == [run.pod.name]
    say("as every upgrade does: the pod is waited for; green; tables and ledger equal the files", seen)


def test_the_warehouse_restarted(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[7 % len(loaded.days)])
    restart_warehouse()
    seen = recovered(loaded, run)
    say("the worker, or its next try, goes on after it; green; tables and ledger equal the files", seen)


def restart_warehouse() -> None:
    """Kill PostgreSQL, without which the sandbox ends; the kubelet starts its container again."""
    pod = f"{RELEASE}-sandbox-0"
    before = restarts(pod)
    kill = (
        "import os, pathlib, signal\n"
        "(file,) = pathlib.Path('/state').glob('**/postmaster.pid')\n"
        "os.kill(int(file.read_text().split()[0]), signal.SIGKILL)\n"
    )
    kubectl("exec", pod, "-n", NAMESPACE, "--", "python", "-c", kill)
    wait_until("the sandbox's container is started again", 60, lambda: restarts(pod) > before)


def restarts(pod: str) -> int:
    status = json.loads(kubectl("get", "pod", pod, "-n", NAMESPACE, "-o", "json"))["status"]
    return sum(container["restartCount"] for container in status["containerStatuses"])


def test_a_run_marked_failed_by_its_user(loaded: Pipeline, say: Say) -> None:
    day = loaded.days[8 % len(loaded.days)]
    run = copying(loaded, day)
    loaded.airflow.mark(DAILY, run.id, "failed")
    tasks = loaded.ends(DAILY, run.id, "failed")
    assert tasks["stage_events"].state == "failed"
    wait_until("the COPY is cancelled", 60, lambda: cancelled_copies(loaded, run) == 1)
    loaded.source.correct(day)  # the file as it was: of the other one nothing may be there
    loaded.agrees()
    say("the pod deleted, the COPY cancelled, tables and ledger as before", "so")


def test_the_triggerer_killed(loaded: Pipeline, say: Say) -> None:
    run = copying(loaded, loaded.days[1], seconds=30)
    selector = f"component=triggerer,release={RELEASE}"
    said = kubectl("delete", "pod", "-n", NAMESPACE, "-l", selector, "--grace-period=0", "--force")
    assert len(re.findall("force deleted", said)) == 1, said
    seen = recovered(loaded, run, tries=1)
    assert [pod.name for pod in loaded.pods.pods(run.id, "stage_events")] == [run.pod.name]
    say("no task waits in it: green at the first try; tables and ledger equal the files", seen)
