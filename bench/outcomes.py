"""Short pods with known ends, in both modes of the operator, while scheduler and triggerer are restarted.

Airflow's database says what became of each task and of each try; Kubernetes, watched all the while, which
pods there were and how they ended. Where the two differ, a person is told something wrong.
"""

import threading
import time
from collections import Counter, defaultdict
from typing import Any

from bench.kubernetes import HERE, Airflow, Pod, Pods, airflow, idle_pod

MODES = ("synchronous", "deferrable")
RUNS = 13  # of 25 pods each
SECONDS_BETWEEN = 90
STATE_MEANT = {0: "success", 1: "failed", 75: "failed", 99: "skipped"}
TRIES_MEANT = {0: 1, 1: 1, 75: 2, 99: 1}

ROWS = {
    "tasks": "tasks",
    "pods": "pods",
    "green": "task green, pod failed",
    "red": "task failed, pod succeeded",
    "other": "another state than the exit code asks for",
    "tries": "tries",
    "tries_green": "try green, pod failed",
    "tries_red": "try failed, its pod succeeded",
    "tries_lost": "try ended by a restart, its pod taken over by the next",
    "twice": "pod run again although one had ended as meant",
    "killed": "pod ended from outside",
    "orphans": "pod left running, or without a task that took its end",
    "minutes": "minutes",
}


def run() -> str:
    # Both modes on one Airflow: the triggerer is for the deferrable one.
    values = {"airflow": {"triggerer": {"enabled": True}}, "global": {"worker": {"retrySeconds": 5}}}
    with airflow([HERE / "dags/outcomes.py"], values, idle_pod()) as release:
        release.switch_on(*(f"outcomes_{mode}" for mode in MODES))
        columns = {mode: measure(release, mode) for mode in MODES}
        events = release.ask("events")
    return table(columns, events)


def measure(release: Airflow, mode: str, runs: int = RUNS) -> dict[str, Any]:
    dag_id = f"outcomes_{mode}"
    started = time.monotonic()
    with Pods() as pods, Restarts(release) as restarts:
        release.ask("trigger", dag_id, [f"{mode}-{number:02}" for number in range(runs)], {})
        release.wait(dag_id, 7200)
    minutes = (time.monotonic() - started) / 60
    return {
        **compare(release.ask("tries", dag_id), list(pods.seen.values())),
        "minutes": round(minutes, 1),
        **restarts.done,
    }


def compare(tries: list[dict[str, Any]], pods: list[Pod]) -> dict[str, int]:
    """Count where what Airflow says differs from what the pods did."""
    found: Counter[str] = Counter(dict.fromkeys(ROWS, 0))
    tries_of, pods_of = defaultdict(list), defaultdict(list)
    for one in tries:
        tries_of[one["run"], one["task"]].append(one)
    for pod in pods:
        if "task_id" in pod.labels:
            pods_of[pod.labels["run_id"], pod.labels["task_id"]].append(pod)
    for key, its_tries in tries_of.items():
        meant = int(key[1].split("_")[1])
        its_pods = sorted(pods_of[key], key=lambda pod: pod.created)
        codes = [pod.exit_code for pod in its_pods]
        (last,) = (one for one in its_tries if one["final"])
        found["tasks"] += 1
        found["pods"] += len(its_pods)
        found["tries"] += len(its_tries)
        found["green"] += last["state"] == "success" and (not codes or codes[-1] != 0)
        found["red"] += last["state"] == "failed" and 0 in codes
        found["other"] += last["state"] != STATE_MEANT[meant]
        failed = sum(one["state"] in ("failed", "up_for_retry") for one in its_tries)
        found["tries_green"] += sum(one["state"] == "success" for one in its_tries) > codes.count(0)
        # A try that failed without a pod of its own: the next took its pod over.
        lost = max(0, len(its_tries) - len(its_pods))
        found["tries_lost"] += lost
        if meant == 0:
            found["tries_red"] += max(0, failed - lost - sum(code != 0 for code in codes))
        found["twice"] += max(0, codes.count(meant) - TRIES_MEANT[meant])
        found["killed"] += sum(code != meant for code in codes)
        left = [pod for pod in its_pods if not pod.deleted]
        found["orphans"] += sum(
            pod.phase not in ("Succeeded", "Failed") or "already_checked" not in pod.labels for pod in left
        )
    return dict(found)


class Restarts:
    """Restart scheduler and triggerer in turn, politely and not, until the block ends."""

    ACTIONS = (
        ("kill", "scheduler"),
        ("restart", "triggerer"),
        ("restart", "scheduler"),
        ("kill", "triggerer"),
    )

    def __init__(self, release: Airflow) -> None:
        self._release = release
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done: Counter[str] = Counter({f"{action} {component}": 0 for action, component in self.ACTIONS})

    def __enter__(self) -> "Restarts":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            for action, component in self.ACTIONS:
                if self._end.wait(SECONDS_BETWEEN):
                    return
                getattr(self._release, action)(component)
                self.done[f"{action} {component}"] += 1
                print(f"  {action} {component}", flush=True)


def table(columns: dict[str, dict[str, Any]], events: dict[str, int]) -> str:
    names = {
        **ROWS,
        "kill scheduler": "SIGKILL scheduler",
        "restart scheduler": "SIGTERM scheduler",
        "kill triggerer": "SIGKILL triggerer",
        "restart triggerer": "SIGTERM triggerer",
    }
    lines = ["| | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    lines += [
        f"| {text} | " + " | ".join(str(column[name]) for column in columns.values()) + " |"
        for name, text in names.items()
    ]
    return "\n".join(lines) + f"\n\nAirflow's own events: {events or 'none'}."
