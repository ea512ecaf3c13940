"""Late days are told of while Airflow is down: the chart's CronJob asks the warehouse and S3 alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from tests.e2e.cluster import JOBS, NAMESPACE, RELEASE, kubectl, objects, wait_until
from tests.e2e.conftest import Say
from tests.e2e.pipeline import Pipeline
from tests.e2e.sandbox import BUCKET

SCHEDULER = f"component=scheduler,release={RELEASE}"


def test_days_that_are_late_are_told_of_without_a_scheduler(loaded: Pipeline, say: Say) -> None:
    last = date.fromisoformat(loaded.days[-1])
    due = f"--as-of={last + timedelta(days=1)}T06:00"  # when the last day is due, and no later one
    with no_scheduler(), job("e2e-late"), job("e2e-fresh", due):
        late, fresh = ended("e2e-late"), ended("e2e-fresh")
        assert objects("pods", NAMESPACE, "-l", SCHEDULER) == []
    # Today, as the CronJob asks: the files end years ago.
    code, (line,) = late
    assert code == 1
    assert re.fullmatch(
        r"\S+Z ERROR   late: (\d{4}-\d\d-\d\d, ){2}\d{4}-\d\d-\d\d and 4 more are not loaded; "
        rf"the first ended \d+ hours ago, of which 6 are allowed; the newest loaded day is {last}; "
        rf"s3://{BUCKET}/log_data/\S+ is not there: ask whoever delivers it  step=freshness run=\S+",
        line,
    ), line
    assert fresh == (
        0,
        [f"fresh: the newest loaded day is {last}; every day that is due, to {last}, is loaded"],
    )
    say("a failed Job with one line about the late days; a Job that succeeds where none is", "so")


@contextmanager
def no_scheduler() -> Iterator[None]:
    scheduler = f"deployment/{RELEASE}-airflow-scheduler"
    kubectl("scale", scheduler, "-n", NAMESPACE, "--replicas=0")
    try:
        kubectl("delete", "pod", "-n", NAMESPACE, "-l", SCHEDULER, "--grace-period=0", "--force")
        yield
    finally:
        kubectl("scale", scheduler, "-n", NAMESPACE, "--replicas=1")
        kubectl("rollout", "status", scheduler, "-n", NAMESPACE, "--timeout=300s", timeout=320)


@contextmanager
def job(name: str, *arguments: str) -> Iterator[None]:
    """A Job as the CronJob makes them, with further arguments; it and its pod go at the end."""
    said = kubectl(
        *("create", "job", name, f"--from=cronjob/{RELEASE}-freshness", "-n", JOBS),
        *("--dry-run=client", "-o", "json"),
    )
    made = json.loads(said)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    container["args"] += arguments
    kubectl("create", "-n", JOBS, "-f", "-", stdin=json.dumps(made))
    try:
        yield
    finally:
        kubectl("delete", "job", name, "-n", JOBS)


def ended(name: str) -> tuple[int, list[str]]:
    """Exit code and log lines of the Job's one pod."""

    def conditions() -> list[str]:
        status = json.loads(kubectl("get", "job", name, "-n", JOBS, "-o", "json"))["status"]
        found = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
        return sorted(found & {"Complete", "Failed"})

    (condition,) = wait_until(f"the Job {name} ends", 120, conditions)
    (pod,) = objects("pods", JOBS, "-l", f"batch.kubernetes.io/job-name={name}")
    (container,) = pod["status"]["containerStatuses"]
    code = container["state"]["terminated"]["exitCode"]
    assert condition == ("Complete" if code == 0 else "Failed")
    return code, kubectl("logs", pod["metadata"]["name"], "-n", JOBS).splitlines()
