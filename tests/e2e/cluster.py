"""The cluster, by kubectl and helm as a person types them; waits that say what they wait for; pods' ends."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from deploy import cluster, tools
from deploy.settings import Settings

# As `make up` has them: the same variables, the same cluster.
SETTINGS = Settings.from_environment(os.environ)
RELEASE, NAMESPACE, JOBS = SETTINGS.release, SETTINGS.namespace, SETTINGS.worker_namespace

Result = TypeVar("Result")


def kubectl(*arguments: str, stdin: str | None = None, timeout: int = 120, exit_code: int = 0) -> str:
    """What the command prints. Another exit code is an AssertionError with the command and what it said."""
    return _output(_run([*_kubectl(), *arguments], stdin, timeout), exit_code)


def helm(*arguments: str, timeout: int = 420) -> str:
    return _output(_run([tools.program("helm"), "--kube-context", _context(), *arguments], None, timeout), 0)


def refused(*arguments: str) -> str:
    """What kubectl says on standard error as it is refused."""
    ended = _run([*_kubectl(), *arguments], None, 120)
    assert ended.returncode != 0, f"kubectl {' '.join(arguments)} was not refused: {ended.stdout}"
    return ended.stderr.strip()


@cache
def _context() -> str:
    used = cluster.current(SETTINGS)
    assert used is not None, "there is no cluster: make e2e brings it up"
    return used.context


def _kubectl() -> list[str]:
    return [tools.program("kubectl"), "--context", _context()]


def _run(command: list[str], stdin: str | None, timeout: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=timeout, env=_environment()
    )


def _output(ended: subprocess.CompletedProcess[str], exit_code: int) -> str:
    told = f"{' '.join(ended.args)}: exit code {ended.returncode}: {ended.stderr.strip()}"
    assert ended.returncode == exit_code, told
    return ended.stdout


def _environment() -> dict[str, str]:
    # Set in this process for the warehouse's driver; kubectl has authorities of its own.
    return {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}


def secret(name: str) -> dict[str, str]:
    """What a Secret of the release holds."""
    data = json.loads(kubectl("get", "secret", name, "-n", NAMESPACE, "-o", "json"))["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def objects(kind: str, namespace: str, *options: str) -> list[dict[str, Any]]:
    return json.loads(kubectl("get", kind, "-n", namespace, "-o", "json", *options))["items"]  # type: ignore[no-any-return]


def wait_until(
    what: str, seconds: float, check: Callable[[], Result | None], pause: float = 1.0, show: str = ""
) -> Result:
    """The first true result of `check`. After `seconds` an AssertionError shows the pods and their events."""
    deadline = time.monotonic() + seconds
    while True:
        if result := check():
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds:.0f} s until {what}\n{show}\n{situation()}")
        time.sleep(pause)


def situation() -> str:
    """The pods of both namespaces, the latest events, and the last lines of pods that failed."""
    said = []
    for namespace in (NAMESPACE, JOBS):
        for command in (
            ("get", "pods", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp", "--field-selector=type=Warning"),
        ):
            with suppress(AssertionError, subprocess.TimeoutExpired):
                lines = kubectl(*command, "-n", namespace).splitlines()
                said += [f"$ kubectl {' '.join(command)} -n {namespace}", *lines[:1], *lines[1:][-20:]]
    with suppress(AssertionError, subprocess.TimeoutExpired):
        for pod in objects("pods", JOBS, "--field-selector=status.phase=Failed")[-5:]:
            name = pod["metadata"]["name"]
            said += [
                f"$ kubectl logs -n {JOBS} {name} --tail=5",
                kubectl("logs", "-n", JOBS, name, "--tail=5"),
            ]
    return "\n".join(said)


class Forward:
    """A port of this machine that leads to a service; made anew when the pod behind it went away."""

    def __init__(self, service: str, port: int) -> None:
        self._target = (f"service/{service}", str(port))
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def port(self) -> int:
        deadline = time.monotonic() + 120
        while not self._answers():
            self.close()
            assert time.monotonic() < deadline, f"no port-forward to {' '.join(self._target)}\n{situation()}"
            self._start()
        return self._port

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> None:
        service, port = self._target
        self._process = subprocess.Popen(
            [*_kubectl(), "port-forward", "-n", NAMESPACE, service, f":{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # "Forwarding from 127.0.0.1:40123 -> 5439"; empty: it failed
        if found := re.search(r"127\.0\.0\.1:(\d+)", line):
            self._port = int(found[1])
        else:
            time.sleep(1)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None or not self._port:
            return False
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5):
            return True
        return False


@dataclass
class Pod:
    """A worker's pod, as it was last seen."""

    name: str
    task: str
    run: str
    created: str
    phase: str
    reason: str | None
    exit_code: int | None
    deleted: bool

    @property
    def succeeded(self) -> bool:
        return self.phase == "Succeeded"

    @property
    def active(self) -> bool:
        return not self.deleted and self.phase in ("Pending", "Running", "Unknown")

    def __str__(self) -> str:
        how = self.reason or (f"exit code {self.exit_code}" if self.exit_code is not None else self.phase)
        return f"{self.name} ({how}{', deleted' if self.deleted else ''})"


class PodWatch:
    """Sees every worker's pod from its making to its end, also those that are deleted."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._forgotten: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, name="pods")

    def pods(self, run: str, task: str | None = None) -> list[Pod]:
        """A run's pods, oldest first."""
        with self._lock:
            found = [
                pod
                for uid, pod in self._pods.items()
                if pod.run == run and task in (None, pod.task) and uid not in self._forgotten
            ]
        return sorted(found, key=lambda pod: (pod.created, pod.name))

    def forget(self, run: str | None = None) -> None:
        """Leave out the pods that a run, or every run, had until now: it is done again."""
        with self._lock:
            self._forgotten |= {uid for uid, pod in self._pods.items() if run in (None, pod.run)}

    def active(self) -> list[Pod]:
        with self._lock:
            return [pod for pod in self._pods.values() if pod.active]

    def _follow(self) -> None:
        command = [*_kubectl(), "get", "pods", "-n", JOBS, "--watch", "--output-watch-events", "-o", "json"]
        while not self._stopped.is_set():
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_environment()
            )
            with self._process:
                assert self._process.stdout is not None
                for event in self._process.stdout:
                    self._see(json.loads(event))
            self._stopped.wait(1)  # the server ends a watch from time to time; the next one tells all anew

    def _see(self, event: dict[str, Any]) -> None:
        pod = event["object"]
        if pod.get("kind") != "Pod" or "sparkify/step" not in pod["metadata"].get("labels", {}):
            return
        arguments = pod["spec"]["containers"][0].get("args", [])
        run = arguments[arguments.index("--run") + 1] if "--run" in arguments else ""
        status = pod.get("status", {})
        code = None
        for container in status.get("containerStatuses", []):
            code = container["state"].get("terminated", {}).get("exitCode", code)
        with self._lock:
            self._pods[pod["metadata"]["uid"]] = Pod(
                name=pod["metadata"]["name"],
                task=pod["metadata"]["labels"]["sparkify/step"],
                run=run,
                created=pod["metadata"]["creationTimestamp"],
                phase=status.get("phase", "Pending"),
                reason=status.get("reason"),
                exit_code=code,
                deleted=event["type"] == "DELETED",
            )

    @contextmanager
    def running(self) -> Iterator[PodWatch]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            if self._process is not None:
                self._process.kill()
            self._thread.join()
