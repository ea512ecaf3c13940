"""Short pods with known ends, in both modes of the operator, while scheduler and triggerer are restarted.

Airflow's database says what became of each task and of each try; Kubernetes, watched all the while, which
pods there were and how they ended. Where the two differ, a person is told something wrong.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.kubernetes import HERE, Airflow, Pod, Pods, airflow, idle_pod

MODES = ("synchronous", "deferrable")
RUNS = 13  # of 25 pods each
SECONDS_BETWEEN = 45
STATE_MEANT = {0: "success", 1: "failed", 75: "failed", 99: "skipped"}
PODS_MEANT = {0: 1, 1: 1, 75: 2, 99: 1}

ROWS = {
    "tasks": "tasks",
    "green": "green, and the pod failed",
    "red": "failed, and the pod succeeded",
    "other": "in another state than the exit code asks for",
    "tries": "tries",
    "tries_green": "green, and the pod failed",
    "tries_red": "failed, and the pod succeeded",
    "mismatches": 'failed by Airflow\'s own "state mismatch"',
    "pods": "pods",
    "twice": "run again, and one had ended as meant",
    "outside": "ended from outside",
    "orphans": "left running, or no task took note of the end",
    "minutes": "minutes",
    "kill scheduler": "SIGKILL of the scheduler",
    "restart scheduler": "SIGTERM of the scheduler",
    "kill triggerer": "SIGKILL of the triggerer",
    "restart triggerer": "SIGTERM of the triggerer",
}
HEADS = ("tasks", "tries", "pods", "minutes")  # the rows below each say of how many of them


def run() -> str:
    # Both modes on one Airflow: the triggerer is for the deferrable one.
    values = {"airflow": {"triggerer": {"enabled": True}}, "global": {"worker": {"retrySeconds": 5}}}
    with airflow([HERE / "dags/outcomes.py"], values, idle_pod()) as release:
        release.switch_on(*(f"outcomes_{mode}" for mode in MODES))
        return table({mode: measure(release, mode) for mode in MODES})


def measure(release: Airflow, mode: str) -> dict[str, float]:
    dag_id = f"outcomes_{mode}"
    started = time.monotonic()
    with Pods() as pods, Restarts(release) as restarts:
        release.ask("trigger", dag_id, [f"{mode}-{number:02}" for number in range(RUNS)], {})
        release.wait(dag_id, 7200)
    minutes = (time.monotonic() - started) / 60
    tries = release.ask("tries", dag_id)
    found = compare(tries, list(pods.seen.values()))
    mismatches = release.ask("mismatches", dag_id)
    return {**found, **restarts.done, "mismatches": mismatches, "minutes": round(minutes)}


def compare(tries: Sequence[Mapping[str, Any]], pods: Sequence[Pod]) -> dict[str, int]:
    """Count where what Airflow says differs from what the pods did."""
    found = dict.fromkeys(
        ("green", "red", "other", "tries_green", "tries_red", "twice", "outside", "orphans"), 0
    )
    tries_of, pods_of = defaultdict(list), defaultdict(list)
    for one in tries:
        tries_of[one["run"], one["task"]].append(one)
    for pod in pods:
        pods_of[pod.labels.get("run_id"), pod.labels.get("task_id")].append(pod)
    for key, its_tries in tries_of.items():
        meant = int(key[1].split("_")[1])
        its_pods = sorted(pods_of[key], key=lambda pod: pod.created)
        codes = [pod.exit_code for pod in its_pods]
        (last,) = (one for one in its_tries if one["final"])
        found["green"] += last["state"] == "success" and codes[-1:] != [0]
        found["red"] += last["state"] == "failed" and 0 in codes
        found["other"] += last["state"] != STATE_MEANT[meant]
        for one in its_tries:
            # Its own pod, or the one that it took over.
            own = [pod for pod in its_pods if int(pod.labels["try_number"]) <= one["number"]]
            code = own[-1].exit_code if own else None
            found["tries_green"] += one["state"] == "success" and code != 0
            found["tries_red"] += one["state"] in ("failed", "up_for_retry") and code == 0
        found["twice"] += max(0, codes.count(meant) - PODS_MEANT[meant])
        found["outside"] += sum(code != meant for code in codes)
        found["orphans"] += sum(not pod.deleted and "already_checked" not in pod.labels for pod in its_pods)
    return {
        **found,
        "tasks": len(tries_of),
        "tries": len(tries),
        "pods": sum(len(pods_of[key]) for key in tries_of),
    }


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


def table(columns: Mapping[str, Mapping[str, float]]) -> str:
    def name(row: str) -> str:
        return f"**{ROWS[row]}**" if row in HEADS else ROWS[row]

    return "\n".join(
        [
            f"| | {' | '.join(columns)} |",
            "| --- |" + " --- |" * len(columns),
            *(
                f"| {name(row)} | {' | '.join(str(column[row]) for column in columns.values())} |"
                for row in ROWS
            ),
        ]
    )
