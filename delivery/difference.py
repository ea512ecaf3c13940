"""What a release changes in a cluster: the objects that helm renders before and after, compared."""

import difflib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from delivery import release
from deploy import chart, tools
from deploy.errors import DeployError
from helm import render

# What GitHub takes for the text of a pull request is 65,536 characters.
_MOST = 60_000


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering, each as sorted YAML, by kind, namespace and name."""

    objects: dict[str, str]
    whole: bool  # with Airflow's own objects


NOTHING = Rendered({}, whole=True)


def at(root: Path, environment: str, commit: str | None) -> Rendered:
    """What the environment runs by its files: those of a commit, or with None those of the working tree.

    The chart is that of the revision which the files name. An environment without a release runs nothing.

    Raises:
        DeployError: the chart cannot be rendered, or the commit or the revision is not in this clone.
    """
    paths = release.files(environment)
    texts = {
        path: (root / path).read_text() if commit is None else _show(root, commit, path) for path in paths
    }
    delivered = release.of_files(environment, texts)
    if delivered is None:
        return NOTHING
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _extract(root, delivered.revision, "helm/sparkify", folder)
        ours = folder / "helm/sparkify"
        try:
            chart.fetch_dependency(ours)
            whole = True
        except DeployError:
            ours, whole = render.without_dependency(folder / "alone", ours), False
        application = yaml.safe_load(texts[f"gitops/{environment}/application.yaml"])
        answer = render.helm(
            *("template", "sparkify", ours, "--namespace", application["spec"]["destination"]["namespace"]),
            *("--values", ours / "values-eks.yaml", "--values", "-"),
            stdin=texts[f"gitops/{environment}/values.yaml"],
        )
    if answer.returncode != 0:
        raise DeployError(f"the chart of {delivered.short} is not rendered: {tools.last_line(answer)}")
    return Rendered(dict(_objects(answer.stdout)), whole)


def between(before: Rendered, after: Rendered) -> str:
    """The objects that differ, as a unified difference; empty when none does."""
    lines: list[str] = []
    for name in sorted({*before.objects, *after.objects}):
        old, new = (side.objects.get(name, "").splitlines() for side in (before, after))
        lines += difflib.unified_diff(old, new, f"before: {name}", f"after: {name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def as_markdown(before: Rendered, after: Rendered) -> str:
    """The difference for the text of a pull request, cut where GitHub would refuse it."""
    text = between(before, after)
    if not text:
        return "No rendered object differs.\n"
    cut = len(text) > _MOST
    if cut:
        text = text[: text.rindex("\n", 0, _MOST) + 1]
    said = ["What changes in the cluster, as `helm template` renders it:\n"]
    if not (before.whole and after.whole):
        said.append("Without Airflow's own objects: its chart could not be had.\n")
    # A rendered file may itself hold three backticks.
    said.append(f"````diff\n{text}````\n")
    if cut:
        said.append("The rest was cut; `python -m delivery difference` prints all of it.\n")
    return "\n".join(said)


def _show(root: Path, commit: str, path: str) -> str:
    return tools.must(
        f"{path} of {commit} is not in this clone", "git", "-C", root, "show", f"{commit}:{path}"
    )


def _extract(root: Path, revision: str, path: str, into: Path) -> None:
    answer = subprocess.run(
        [tools.program("git"), "-C", root, "archive", revision, path], capture_output=True, check=False
    )
    if answer.returncode != 0:
        raise DeployError(f"{path} of {revision} is not in this clone: git fetch origin {revision}")
    with tarfile.open(fileobj=io.BytesIO(answer.stdout)) as archive:
        for member in archive.getmembers():
            if not member.isfile():
                continue
            content = archive.extractfile(member)
            assert content is not None  # it is a file
            target = into / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())


def _objects(text: str) -> Iterator[tuple[str, str]]:
    for each in yaml.safe_load_all(text):
        if each:
            about = each["metadata"]
            place = f"{about['namespace']}/" if "namespace" in about else ""
            yield f"{each['kind']} {place}{about['name']}", yaml.safe_dump(_without_secrets(each))


def _without_secrets(each: dict[str, Any]) -> dict[str, Any]:
    """The object; of a Secret the keys only. A pull request is for all to read."""
    if each["kind"] != "Secret":
        return each
    hidden = {
        field: dict.fromkeys(each[field], "(not shown)")
        for field in ("data", "stringData")
        if each.get(field)
    }
    return {**each, **hidden}
