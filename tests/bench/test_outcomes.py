"""The benchmark of outcomes finds what it looks for."""

from __future__ import annotations

from typing import Any

import pytest

from bench.kubernetes import Pod
from bench.outcomes import compare


def a_try(number: int, state: str, *, final: bool, task: str = "end_0_1_7") -> dict[str, Any]:
    return {"run": "run", "task": task, "number": number, "state": state, "final": final}


def a_pod(code: int | None, number: int = 1, task: str = "end_0_1_7", **more: Any) -> Pod:
    labels = {"run_id": "run", "task_id": task, "try_number": str(number), "already_checked": "True"}
    phase = "Running" if code is None else "Failed" if code else "Succeeded"
    pod = Pod("pod", labels, f"2018-11-04T00:00:0{number}Z", None, None, phase, code, deleted=False)
    for name, value in more.items():
        setattr(pod, name, value)
    return pod


def wrong(found: dict[str, int]) -> dict[str, int]:
    return {
        name: number for name, number in found.items() if number and name not in ("tasks", "tries", "pods")
    }


@pytest.mark.parametrize(("code", "state"), [(0, "success"), (1, "failed"), (99, "skipped")])
def test_nothing_is_wrong_when_all_ends_as_meant(code: int, state: str) -> None:
    task = f"end_{code}_1_7"
    another = a_pod(0, labels={"run_id": "another", "task_id": task})
    found = compare([a_try(1, state, final=True, task=task)], [a_pod(code, task=task), another])
    assert found["tasks"] == found["tries"] == found["pods"] == 1
    assert wrong(found) == {}


def test_a_failure_that_passes_is_meant_to_be_tried_twice() -> None:
    task = "end_75_1_7"
    tries = [a_try(1, "failed", final=False, task=task), a_try(2, "failed", final=True, task=task)]
    assert wrong(compare(tries, [a_pod(75, 1, task), a_pod(75, 2, task)])) == {}


def test_a_green_task_whose_pod_failed() -> None:
    found = compare([a_try(1, "success", final=True, task="end_1_1_7")], [a_pod(1, task="end_1_1_7")])
    assert wrong(found) == {"green": 1, "other": 1, "tries_green": 1}


def test_a_green_task_without_a_pod() -> None:
    assert wrong(compare([a_try(1, "success", final=True)], [])) == {"green": 1, "tries_green": 1}


def test_a_failed_task_whose_pod_succeeded() -> None:
    found = compare([a_try(1, "failed", final=True)], [a_pod(0)])
    assert wrong(found) == {"red": 1, "other": 1, "tries_red": 1}


def test_a_try_whose_pod_the_next_took_over() -> None:
    tries = [a_try(1, "failed", final=False), a_try(2, "success", final=True)]
    assert wrong(compare(tries, [a_pod(0)])) == {"tries_red": 1}


def test_a_pod_that_ran_again() -> None:
    tries = [a_try(1, "failed", final=False), a_try(2, "success", final=True)]
    assert wrong(compare(tries, [a_pod(0, 1), a_pod(0, 2)])) == {"tries_red": 1, "twice": 1}


def test_a_pod_that_was_ended_from_outside() -> None:
    tries = [a_try(1, "failed", final=False), a_try(2, "success", final=True)]
    assert wrong(compare(tries, [a_pod(143, 1, deleted=True), a_pod(0, 2)])) == {"outside": 1}


def test_a_pod_that_nobody_waits_for() -> None:
    pod = a_pod(None)
    del pod.labels["already_checked"]
    found = compare([a_try(1, "failed", final=True)], [pod])
    assert found["orphans"] == 1
