"""Everything that can be set, read once from the environment into one frozen object."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import UsageError

# What Kubernetes takes for a name. A namespace's and a release's are in commands and in other names.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")


@dataclass(frozen=True)
class Settings:
    """README.md explains each, by the name of its variable."""

    release: str = "sparkify"
    namespace: str = "sparkify"
    worker_namespace: str = "sparkify-jobs"
    values: tuple[Path, ...] = ()
    ready_seconds: int = 600
    context: str | None = None
    kind_cluster: str = "sparkify"
    registry: str | None = None
    push: tuple[str, ...] = ()
    docker: str = "docker"
    build_options: tuple[str, ...] = ()
    base_python: str | None = None
    base_airflow: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Variables that are not set or empty have their defaults.

        Raises:
            UsageError: a variable has a value that cannot be used.
        """
        given = {name: value for name, value in environment.items() if value.strip()}
        for variable in ("RELEASE", "NAMESPACE", "WORKER_NAMESPACE", "KIND_CLUSTER"):
            if variable in given and not _NAME.fullmatch(given[variable]):
                raise UsageError(f"{variable}={given[variable]!r} is not a name that Kubernetes takes")
        values = tuple(Path(file) for file in _words(given, "VALUES"))
        for file in values:
            if not file.is_file():
                raise UsageError(f"VALUES names {file}, which is not a file")
        ready_seconds = given.get("READY_SECONDS", str(cls.ready_seconds))
        if not re.fullmatch(r"[1-9]\d{0,4}", ready_seconds):
            raise UsageError(f"READY_SECONDS={ready_seconds!r} is not a number of seconds")
        return cls(
            release=given.get("RELEASE", cls.release),
            namespace=given.get("NAMESPACE", cls.namespace),
            worker_namespace=given.get("WORKER_NAMESPACE", cls.worker_namespace),
            values=values,
            ready_seconds=int(ready_seconds),
            context=given.get("CONTEXT"),
            kind_cluster=given.get("KIND_CLUSTER", cls.kind_cluster),
            registry=given.get("REGISTRY"),
            push=_words(given, "PUSH"),
            docker=given.get("DOCKER", cls.docker),
            build_options=_words(given, "BUILD_OPTIONS"),
            base_python=given.get("BASE_PYTHON"),
            base_airflow=given.get("BASE_AIRFLOW"),
        )


def _words(given: Mapping[str, str], variable: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(given.get(variable, "")))
    except ValueError as error:
        raise UsageError(f"{variable}={given[variable]!r} cannot be read: {error}") from None
