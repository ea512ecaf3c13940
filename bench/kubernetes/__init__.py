"""An Airflow of the benchmarks' own, on the current Kubernetes context: the official chart, our operator."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from deploy import chart, cluster, data, images
from deploy.errors import DeployError
from deploy.settings import Settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMESPACE = "sparkify-bench"
JOBS = "sparkify-bench-jobs"
# As for `make up`, but a release of its own.
SETTINGS = replace(
    Settings.from_environment(os.environ), release="bench", namespace=NAMESPACE, worker_namespace=JOBS
)


def command(*arguments: str, stdin: str | None = None, seconds: float = 900) -> str:
    """Run a command that must succeed; its output."""
    ended = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{shlex.join(arguments)}: {ended.stderr[-2000:]}")
    return ended.stdout


def image(name: str, dockerfile: Path, context: Path, base: str | None) -> str:
    """Build an image and push it to where the cluster pulls from; its reference by digest."""
    tag = f"sparkify/{name}:dev"
    base_argument = (f"--build-arg=BASE={base}",) if base else ()
    command(
        *(SETTINGS.docker, "build", "--quiet", f"--file={dockerfile}", f"--tag={tag}"),
        *(*SETTINGS.build_options, *base_argument, str(context)),
    )
    return images.push(SETTINGS, SETTINGS.docker, tag)


def idle_pod() -> str:
    """The image of a pod that does no work."""
    return image("bench-pod", HERE / "pod.Dockerfile", HERE, SETTINGS.base_python)


@contextmanager
def airflow(dags: Sequence[Path], values: Mapping[str, Any], worker: str = "") -> Iterator[Airflow]:
    """Our chart as `make up` installs it, for the time of the block: with these graphs beside the usual ones,
    and with another worker image, if one is given.
    """
    built = images.build_and_push(SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        for file in dags:
            shutil.copy(file, folder)
        ours = image("bench-airflow", HERE / "airflow.Dockerfile", Path(folder), built.airflow)
        file = Path(folder) / "values.json"
        file.write_text(json.dumps(values))
        settings = replace(SETTINGS, values=(file,))
        release = cluster.current(settings)
        assert release is not None
        try:
            wanted = images.Images(worker=worker or built.worker, airflow=ours, sandbox=built.sandbox)
            chart.install(release, settings, wanted)
            yield Airflow()
        finally:
            if not os.environ.get("KEEP"):
                chart.uninstall(release, settings)
                command("kubectl", "delete", "namespace", NAMESPACE, JOBS, "--ignore-not-found")


def demand_a_cluster() -> None:
    """Raises DeployError: there is none, or what is needed to install something there is missing."""
    images.check_registry(SETTINGS)
    chart.fetch_dependency()
    release = cluster.current(SETTINGS)
    if release is None:
        raise DeployError("the kind cluster is not there: make up")
    cluster.check_rights(release, SETTINGS)


class Airflow:
    """The installed Airflow."""

    def ask(self, question: str, *arguments: object) -> Any:
        """One of inside.py's questions."""
        for attempt in range(5):
            try:
                out = command(
                    *("kubectl", "exec", "--stdin", f"--namespace={NAMESPACE}"),
                    *("deployment/bench-airflow-api-server", "--container=api-server"),
                    *("--", "python", "-", question, json.dumps(arguments)),
                    stdin=(HERE / "inside.py").read_text(),
                    seconds=3600,
                )
                return json.loads(out.rstrip().rpartition("\n")[2])
            except RuntimeError:  # the API server is being restarted
                if attempt == 4:
                    raise
                time.sleep(10)

    def switch_on(self, *dag_ids: str) -> None:
        deadline = time.monotonic() + 300
        while missing := set(dag_ids) - set(self.ask("dags")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Airflow has no {', '.join(missing)}: {self.ask('import_errors')}")
            time.sleep(5)
        self.ask("unpause", dag_ids)

    def wait(self, dag_id: str, seconds: float) -> None:
        """Until each of the DAG's runs has ended."""
        deadline = time.monotonic() + seconds
        while runs := self.ask("active", dag_id):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{dag_id}: {runs} runs are not at their end after {seconds:.0f} s")
            time.sleep(20)

    def upload(self, folder: Path | None) -> list[date]:
        """The source's files into the sandbox, the demo's if there is no folder; their days."""
        release = cluster.current(SETTINGS)
        assert release is not None
        days, _ = data.upload(release, SETTINGS, folder, None, None)
        return days

    def restart(self, component: str) -> None:
        """SIGTERM, and a new pod."""
        deployment = f"deployment/bench-airflow-{component}"
        command("kubectl", "rollout", "restart", deployment, f"--namespace={NAMESPACE}")
        command("kubectl", "rollout", "status", deployment, f"--namespace={NAMESPACE}")

    def kill(self, component: str) -> None:
        """SIGKILL to all its processes; Kubernetes starts the container again."""
        deployment = f"deployment/bench-airflow-{component}"
        subprocess.run(
            ["kubectl", "exec", f"--namespace={NAMESPACE}", deployment, "--", "bash", "-c", "kill -9 -1"],
            capture_output=True,
            check=False,  # the command's own shell dies too
        )
        time.sleep(5)  # until Kubernetes has seen it
        command("kubectl", "rollout", "status", deployment, f"--namespace={NAMESPACE}")


@dataclass
class Pod:
    """One pod as Kubernetes told of it, last of all its states."""

    name: str
    labels: dict[str, str]
    created: str
    started: str | None
    ended: str | None
    phase: str
    exit_code: int | None
    deleted: bool


@dataclass
class Pods:
    """Every pod of the jobs' namespace, also those that are gone again; watched in a thread."""

    seen: dict[str, Pod] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Pods:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(2)  # what happened last is on its way
        self._stop.set()
        assert self._process is not None
        self._process.kill()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._process = subprocess.Popen(
                [
                    "kubectl",
                    "get",
                    "pods",
                    f"--namespace={JOBS}",
                    "--watch",
                    "--output-watch-events",
                    "--output=json",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._keep(json.loads(line))

    def _keep(self, event: dict[str, Any]) -> None:
        pod, status = event["object"], event["object"]["status"]
        state = next((each["state"] for each in status.get("containerStatuses", [])), {})
        ended = state.get("terminated", {})
        metadata = pod["metadata"]
        self.seen[metadata["uid"]] = Pod(
            metadata["name"],
            metadata.get("labels", {}),
            metadata["creationTimestamp"],
            ended.get("startedAt"),
            ended.get("finishedAt"),
            status["phase"],
            ended.get("exitCode"),
            event["type"] == "DELETED",
        )
