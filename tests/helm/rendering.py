"""The chart as a user renders it: `helm template` with a profile's file and the user's own values."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from helm.render import EXAMPLES, helm

RELEASE = "sparkify"
NAMESPACE = "etl"  # not the release's name: nothing may depend on their being the same
JOBS = "sparkify-jobs"

Object = dict[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """What a workload makes."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


class Objects:
    """What one rendering makes."""

    def __init__(self, text: str) -> None:
        self.all: list[Object] = [each for each in yaml.safe_load_all(text) if each]

    def of(self, kind: str) -> list[Object]:
        return [each for each in self.all if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    def names(self, kind: str) -> set[tuple[str, str]]:
        """(namespace, name) of each."""
        return {(namespace(each), each["metadata"]["name"]) for each in self.of(kind)}

    def pods(self) -> Iterator[Pod]:
        for each in self.all:
            template = {
                "Pod": lambda each: each,
                "Deployment": lambda each: each["spec"]["template"],
                "StatefulSet": lambda each: each["spec"]["template"],
                "Job": lambda each: each["spec"]["template"],
                "CronJob": lambda each: each["spec"]["jobTemplate"]["spec"]["template"],
            }.get(each["kind"])
            if template is not None:
                made = template(each)
                labels = made["metadata"].get("labels", {})
                yield Pod(each["metadata"]["name"], namespace(each), labels, made["spec"])


def namespace(each: Object) -> str:
    return str(each["metadata"].get("namespace", NAMESPACE))


def render(chart: Path, profile: str | None, values: Values | None = None) -> Objects:
    """What `helm template` makes of the profile's example and these values."""
    done = _template(chart, profile, values)
    assert done.returncode == 0, done.stderr
    return Objects(done.stdout)


def refusal(chart: Path, profile: str | None, values: Values) -> str:
    """What helm says when it refuses these values."""
    done = _template(chart, profile, values)
    assert done.returncode != 0, f"helm took {values}"
    return str(done.stderr)


def _template(chart: Path, profile: str | None, values: Values | None) -> Any:
    given = merged(EXAMPLES[profile] if profile else {}, values or {})
    files = ["--values", chart / f"values-{profile}.yaml"] if profile else []
    command = ["template", RELEASE, chart, "--namespace", NAMESPACE, *files, "--values", "-"]
    return helm(*command, stdin=yaml.safe_dump(given))


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(first))
    for key, value in second.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
