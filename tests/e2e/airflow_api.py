"""Airflow as its user meets it: the command line in its pod, and the REST API that the web page uses."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.e2e.cluster import NAMESPACE, RELEASE, Forward, kubectl, secret, wait_until

ENDED = ("success", "failed")

_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy reaches this machine's ports


@dataclass(frozen=True)
class Task:
    """A task of a run, after its last try."""

    name: str
    state: str | None
    tries: int

    def __str__(self) -> str:
        return f"{self.name} {self.state} (try {self.tries})"


class Airflow:
    def __init__(self) -> None:
        self._credentials = {"username": "admin", "password": secret(f"{RELEASE}-airflow-admin")["password"]}
        self._forward = Forward(f"{RELEASE}-airflow-api-server", 8080)
        self._token: str | None = None

    def close(self) -> None:
        self._forward.close()

    def command(self, *arguments: str, exit_code: int = 0) -> str:
        """`airflow …`, where docs/operations.md has people run it."""
        pod = ("-n", NAMESPACE, f"deployment/{RELEASE}-airflow-scheduler", "-c", "scheduler")
        return kubectl("exec", *pod, "--", "airflow", *arguments, exit_code=exit_code)

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path + (f"?{urllib.parse.urlencode(query)}" if query else ""))

    def post(self, path: str, **body: Any) -> Any:
        return self._call("POST", path, body)

    def put(self, path: str) -> Any:
        return self._call("PUT", path)

    def patch(self, path: str, **body: Any) -> Any:
        return self._call("PATCH", path, body)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def has(self, dag: str) -> bool:
        """Whether it has read the DAG, without an import error since."""
        try:
            return not self.get(f"dags/{dag}")["is_stale"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise

    def runs(self, dag: str) -> dict[str, str]:
        """Each run's state by its id."""
        answer = self.get(f"dags/{dag}/dagRuns", limit=100)
        return {run["dag_run_id"]: run["state"] for run in answer["dag_runs"]}

    def runs_of_days(self) -> dict[str, str]:
        """The id of the run that loads each day."""
        answer = self.get("dags/sparkify_daily/dagRuns", limit=100)
        return {run["data_interval_start"][:10]: run["dag_run_id"] for run in answer["dag_runs"]}

    def tasks(self, dag: str, run: str) -> dict[str, Task]:
        answer = self.get(f"dags/{dag}/dagRuns/{quoted(run)}/taskInstances")
        return {
            task["task_id"]: Task(task["task_id"], task["state"], task["try_number"])
            for task in answer["task_instances"]
        }

    def log(self, dag: str, run: str, task: str, attempt: int) -> str:
        """The log of one try, as the web page shows it."""
        answer = self.get(
            f"dags/{dag}/dagRuns/{quoted(run)}/taskInstances/{task}/logs/{attempt}", full_content="true"
        )
        return "\n".join(
            " ".join(str(value) for value in line.values()) if isinstance(line, dict) else str(line)
            for line in answer["content"]
        )

    def identity(self, dag: str, run: str, task: str) -> str:
        """The id of a task instance, which its process has in its title."""
        found: str = self.get(f"dags/{dag}/dagRuns/{quoted(run)}/taskInstances/{task}")["id"]
        return found

    def mark(self, dag: str, run: str, state: str) -> None:
        """What the web page calls «Mark as …»."""
        self.patch(f"dags/{dag}/dagRuns/{quoted(run)}", state=state)

    def trigger(self, dag: str, logical_date: str | None = None) -> str:
        run: str = self.post(f"dags/{dag}/dagRuns", logical_date=logical_date)["dag_run_id"]
        return run

    def cancel_backfills(self, dag: str) -> None:
        """A DAG has one backfill at a time: end that which an interrupted test has left."""
        for backfill in self.get("backfills", dag_id=dag)["backfills"]:
            if backfill["completed_at"] is None:
                self.put(f"backfills/{backfill['id']}/cancel")

    def clear(self, dag: str, run: str) -> None:
        """Have the whole run done again."""
        self.post(f"dags/{dag}/dagRuns/{quoted(run)}/clear", dry_run=False)

    def wait_for(self, dag: str, run: str, seconds: float) -> str:
        """The state in which a run ends."""

        def ended() -> str | None:
            state: str = self.get(f"dags/{dag}/dagRuns/{quoted(run)}")["state"]
            return state if state in ENDED else None

        try:
            return wait_until(f"the run {run} of {dag} ends", seconds, ended, pause=2)
        except AssertionError as late:
            tasks = "\n".join(map(str, self.tasks(dag, run).values()))
            raise AssertionError(f"{late}\ntasks:\n{tasks}") from None

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request; again for as long as the server is away, which a rollout makes it."""
        deadline = time.monotonic() + 180
        while True:
            try:
                if self._token is None:
                    self._token = self._request("POST", "/auth/token", self._credentials)["access_token"]
                return self._request(method, f"/api/v2/{path}", body)
            except urllib.error.HTTPError as error:
                detail = error.read().decode(errors="replace")[:500]
                error.close()
                if error.code == 401 and time.monotonic() < deadline:
                    self._token = None
                elif error.code < 500 or time.monotonic() > deadline:
                    error.add_note(f"{method} {path}: {detail}")
                    raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._forward.port()}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
        )
        with _http.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
