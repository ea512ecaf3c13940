"""A day on a cluster: a pod a table, as tutorials do it, against our graph; what a pod costs."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import fmean
from typing import Any

from bench.kubernetes import HERE, ROOT, Pod, Pods, airflow
from bench.measure import middle, spread

ROUNDS = 7
SHAPES = ("tutorial", "ours")
DATA = ROOT.parent / "shared/data"
GOAL, POD_GOAL = 0.6, 6.0
MOMENTS = {
    "started": "the scheduler sees that it can run, and starts its process",
    "created": "the process reads the graph, and makes the pod",
    "container": "the cluster starts the pod",
    "done": "the pod runs",
    "ended": "the process sees the end, and says so",
}


def run() -> str:
    with airflow([HERE / "dags/cluster.py"], {}) as release, Pods() as pods:
        release.switch_on(
            "sparkify_tables", *(f"{shape}_{work}" for shape in SHAPES for work in ("idle", "day"))
        )
        day = max(release.upload(DATA if DATA.is_dir() else None))
        release.ask("in_turn", ["sparkify_tables"], 1, {})
        runs, tasks = {}, {}
        for work in ("idle", "day"):
            dag_ids = [f"{shape}_{work}" for shape in SHAPES]
            # One more than is counted, to warm up.
            for each in release.ask("in_turn", dag_ids, 1 + ROUNDS, {"day": day.isoformat()})[len(dag_ids) :]:
                if each["state"] != "success":
                    raise RuntimeError(f"{each['dag']} {each['run']} ended as {each['state']}")
                runs.setdefault(each["dag"], {})[each["run"]] = each["seconds"]
            for dag_id in dag_ids:
                tasks[dag_id] = [one for one in release.ask("tries", dag_id) if one["run"] in runs[dag_id]]
    return _report(
        runs, tasks, list(pods.seen.values()), f"{day}{'' if DATA.is_dir() else ' of the demo data'}"
    )


def _report(
    runs: dict[str, dict[str, float]], tasks: dict[str, list[dict[str, Any]]], pods: Sequence[Pod], day: str
) -> str:
    makespans = {dag_id: list(seconds.values()) for dag_id, seconds in runs.items()}
    ratios = {
        work: middle(makespans[f"ours_{work}"]) / middle(makespans[f"tutorial_{work}"])
        for work in ("idle", "day")
    }
    costs = {shape: [one["ended"] - one["queued"] for one in tasks[f"{shape}_idle"]] for shape in SHAPES}
    cost = middle(costs["ours"])
    parts = {shape: _parts(tasks[f"{shape}_idle"], pods) for shape in SHAPES}
    return "\n".join(
        [
            f"Seconds of a run, median (least to most) of {ROUNDS}, both shapes in turn on one Airflow.",
            f"The day is {day}, staged and loaded anew each time.",
            "",
            "| | a pod a table, default settings | ours | ratio |",
            "| --- | --- | --- | --- |",
            *(
                f"| {text} | {spread(makespans[f'tutorial_{work}'])} | {spread(makespans[f'ours_{work}'])} "
                f"| {ratios[work]:.2f} |"
                for work, text in (("idle", "pods that do no work"), ("day", "the day"))
            ),
            f"| a pod that does no work, from queued to ended | {spread(costs['tutorial'])} "
            f"| {spread(costs['ours'])} | {cost / middle(costs['tutorial']):.2f} |",
            "",
            *(
                f"{text} {value:.2f}, goal {goal}: {'met' if value <= goal else 'missed'}."
                for text, value, goal in (
                    ("Ratio without work", ratios["idle"], GOAL),
                    ("Ratio of the day", ratios["day"], GOAL),
                    ("Seconds a pod", cost, POD_GOAL),
                )
            ),
            "",
            "Where a pod's seconds go, means over those that do no work:",
            "",
            "| | a pod a table, default settings | ours |",
            "| --- | --- | --- |",
            *(
                f"| {text} | {parts['tutorial'][name]:.1f} | {parts['ours'][name]:.1f} |"
                for name, text in MOMENTS.items()
            ),
        ]
    )


def _parts(tasks: Sequence[dict[str, Any]], pods: Sequence[Pod]) -> dict[str, float]:
    """The mean seconds that end at each of the moments."""
    by_task = {
        (pod.labels.get("run_id"), pod.labels.get("dag_id"), pod.labels.get("task_id")): pod for pod in pods
    }
    spans: dict[str, list[float]] = {name: [] for name in MOMENTS}
    for task in tasks:
        pod = by_task[task["run"], task["dag"], task["task"]]
        assert pod.started is not None
        assert pod.ended is not None
        moments = {
            "scheduled": task["scheduled"],
            "started": task["started"],
            "created": _middle_of_its_second(pod.created),
            "container": _middle_of_its_second(pod.started),
            "done": _middle_of_its_second(pod.ended),
            "ended": task["ended"],
        }
        for before, after in pairwise(moments):
            spans[after].append(moments[after] - moments[before])
    return {name: fmean(values) for name, values in spans.items()}


def _middle_of_its_second(moment: str) -> float:
    """Kubernetes tells whole seconds."""
    return datetime.fromisoformat(moment).timestamp() + 0.5
