"""Writes the drawings of docs/architecture.md anew from the code: the DAGs, the chart, the worker's modules,
what `sparkify-aws` makes, and the workflows that deliver.

`make architecture`; with --check nothing is written, and what is out of date is an error, as in `make lint`.
"""

import argparse
import ast
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import yaml

from delivery.release import ENVIRONMENTS
from helm import render as chart
from laptop import graph
from laptop.errors import LaptopError
from sparkify_aws.account import Account
from sparkify_aws.schema import sql_folder
from sparkify_aws.settings import Settings
from sparkify_aws.stack import Stack

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "architecture.md"
WORKER = ROOT / "worker_image" / "sparkify"
WORKFLOWS = ROOT / ".github" / "workflows"

# What the worker's modules are for. Each module is in one group.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "the commands": (
        *("check", "connect", "explain", "freshness", "load", "plan", "quarantined", "results"),
        *("stage", "tables", "trace"),
    ),
    "from lines to parts": ("compaction", "press", "presses"),
    "what a stage writes, and what COPY refuses of it": (
        *("compressor", "drift", "parts", "quarantine", "refusals"),
    ),
    "lines, and what they must be": ("contract", "events", "lines", "rows", "songs", "sources"),
    "S3": ("naming", "objects", "odd_names"),
    "the warehouse": ("checks", "schema", "statements", "statistics", "thresholds", "warehouse"),
    "what all use": ("cli", "errors", "log", "metrics", "notices", "report", "settings"),
}
_COMMON = "what all use"  # an arrow to it from everywhere would say nothing

# Who reaches what of that which `sparkify-aws up` makes. A test compares it with the policies that it writes.
REACHES = (
    ("pod identity sparkify-jobs/sparkify-worker", "is", "role sparkify-worker"),
    ("pod identity sparkify/sparkify-scheduler", "is", "role sparkify-logs"),
    ("pod identity sparkify/sparkify-api-server", "is", "role sparkify-logs"),
    ("namespace sparkify", "is, in COPY,", "role sparkify-copy"),
    ("role sparkify-worker", "reads", "bucket sparkify-source-ACCOUNT-REGION"),
    ("role sparkify-worker", "writes", "bucket sparkify-staging-ACCOUNT-REGION"),
    ("role sparkify-worker", "logs in to", "workgroup sparkify"),
    ("role sparkify-copy", "reads", "bucket sparkify-source-ACCOUNT-REGION"),
    ("role sparkify-copy", "reads", "bucket sparkify-staging-ACCOUNT-REGION"),
    ("role sparkify-logs", "writes", "bucket sparkify-logs-ACCOUNT-REGION"),
)
# The box that a kind of it is in; what is not named is the warehouse's.
_BOXES = {"pod identity": "pods", "role": "roles", "bucket": "buckets"}

_DAY = date(2018, 11, 1)
_BLOCK = re.compile(r"(<!-- from the code: ([a-z]+) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)
# A Job's name has the release's revision and the image's digest in it.
_REVISION = re.compile(r"-1-0{8}$")

Object = dict[str, Any]


class Incomplete(Exception):
    """A drawing cannot be made: one line that says what is missing."""


def rendered(document: str, drawings: Mapping[str, str]) -> str:
    """The document with these drawings in their places."""
    places = [name for _, name, _, _ in _BLOCK.findall(document)]
    if sorted(places) != sorted(drawings):
        raise Incomplete(
            f"docs/architecture.md has places for {places}, and the drawings are {sorted(drawings)}"
        )
    return _BLOCK.sub(
        lambda block: f"{block[1]}\n```mermaid\n{drawings[block[2]]}```\n\n{block[4]}", document
    )


def tasks(daily: Sequence[graph.Task], tables: Sequence[graph.Task]) -> str:
    """The DAGs: a node a task with the worker's command line, an arrow for each edge."""
    lines = ["flowchart LR"]
    for dag, each in (("sparkify_daily", daily), ("sparkify_tables", tables)):
        lines.append(f"  subgraph {dag}")
        for task in each:
            command = " ".join(_without_run(task.arguments)).replace(_DAY.isoformat(), "DAY")
            lines.append(f'    {task.task_id}["<b>{task.task_id}</b><br/>sparkify {_text(command)}"]')
        lines += [f"    {upstream} --> {task.task_id}" for task in each for upstream in task.upstream]
        lines.append("  end")
    return "".join(f"{line}\n" for line in lines)


def objects(profiles: Mapping[str, Sequence[Object]]) -> str:
    """The chart's own objects: a box a namespace, a node a workload or kind, an arrow to what is named."""
    known: dict[tuple[str, str, str], set[str]] = {}
    arrows: dict[tuple[str, str], None] = {}
    for profile, rendered_objects in profiles.items():
        made = [*rendered_objects, *_from_a_store(rendered_objects)]
        for each in made:
            known.setdefault(_key(each), set()).add(profile)
            if each["kind"] == "Namespace":
                continue
            for target in _named(each, made):
                arrows[_node(*_key(each)), _node(*_key(target))] = None
    nodes: dict[str, dict[str, list[str]]] = {}
    for (place, kind, name), where in sorted(known.items()):
        only = "" if where == set(profiles) else f" ({', '.join(sorted(where))})"
        nodes.setdefault(place, {}).setdefault(_node(place, kind, name), [f"<b>{kind}</b>"]).append(
            name + only
        )
    lines = ["flowchart LR"]
    for place, within in nodes.items():
        lines.append(f'  subgraph {place}["{_PLACES[place]}"]')
        lines += [f'    {node}["{"<br/>".join(map(_text, names))}"]' for node, names in within.items()]
        if place == "release":
            lines.append(
                '    scheduler(["Airflow, by its own chart:<br/>scheduler, DAG processor, API server"])'
            )
        if place == "jobs":
            lines.append('    tasks(["a pod for each task"])')
        lines.append("  end")
    # By Airflow, not by an object of the chart.
    arrows["scheduler", "tasks"] = None
    for kind in ("ConfigMap", "Secret", "ServiceAccount"):
        arrows["tasks", _node("jobs", kind, "")] = None
    lines += [f"  {source} --> {target}" for source, target in sorted(arrows)]
    return "".join(f"{line}\n" for line in lines)


def modules(imports: Mapping[str, set[str]]) -> str:
    """The worker: a box a group of modules, an arrow where a module of one imports a module of another.

    Raises:
        Incomplete: a module is in no group, or a group names a module that is not there.
    """
    group_of = {module: group for group, members in GROUPS.items() for module in members}
    if missing := sorted(imports.keys() - group_of.keys()):
        raise Incomplete(f"add {', '.join(missing)} to a group in architecture/render.py")
    if gone := sorted(group_of.keys() - imports.keys()):
        raise Incomplete(f"take {', '.join(gone)} out of its group in architecture/render.py")
    names = {group: f"group{number}" for number, group in enumerate(GROUPS)}
    lines = ["flowchart TD"]
    for group, members in GROUPS.items():
        text = ", ".join(sorted(members))
        lines.append(f'  {names[group]}["<b>{group}</b><br/>{text}"]')
    arrows = {
        (group_of[module], group_of[other])
        for module, others in imports.items()
        for other in others
        if group_of[module] != group_of[other] and _COMMON not in (group_of[module], group_of[other])
    }
    lines += [f"  {names[source]} --> {names[target]}" for source, target in sorted(arrows)]
    return "".join(f"{line}\n" for line in lines)


def account(made: Sequence[str]) -> str:
    """What `sparkify-aws` makes, each as `kind name`: a box for pods, roles, buckets and the warehouse.

    Raises:
        Incomplete: an arrow is to or from what is not made.
    """
    if gone := sorted({end for source, _, target in REACHES for end in (source, target)} - set(made)):
        raise Incomplete(
            f"sparkify-aws does not make {', '.join(gone)}: see REACHES in architecture/render.py"
        )
    names = {each: f"made{number}" for number, each in enumerate(made)}
    boxes: dict[str, list[str]] = {}
    for each, name in names.items():
        kind = next((kind for kind in _BOXES if each.startswith(f"{kind} ")), "")
        boxes.setdefault(_BOXES.get(kind, "warehouse"), []).append(
            f'    {name}["{_text(each.removeprefix(f"{kind} "))}"]'
        )
    lines = ["flowchart LR"]
    for box, nodes in boxes.items():
        lines += [f"  subgraph {box}", *nodes, "  end"]
    lines += [f"  {names[source]} -- {how} --> {names[target]}" for source, how, target in REACHES]
    return "".join(f"{line}\n" for line in lines)


def delivery(workflows: Mapping[str, Mapping[Any, Any]]) -> str:
    """The workflows that deliver: a node a job with its scripts and commands, an arrow to what it changes."""
    lines, arrows = ["flowchart LR"], []
    for name, workflow in workflows.items():
        starts = " or ".join(_STARTS[each] for each in workflow[True])  # YAML 1.1 reads `on` so
        lines.append(f'  subgraph {name}["<b>{name}</b>: {starts}"]')
        for job, about in workflow["jobs"].items():
            node = f"{name}_{job}"
            script = "\n".join(step.get("run", "") for step in about["steps"])
            does = dict.fromkeys("".join(each) for each in _DOES.findall(script))
            lines.append(f'    {node}["<b>{job}</b><br/>{"<br/>".join(does)}"]')
            if "needs" in about:
                lines.append(f"    {name}_{about['needs']} --> {node}")
            arrows += [f"  {each} --> {node}" for each in re.findall(r"-m delivery show (\w+)", script)]
            arrows += [
                f"  {node} -- pull request --> {each}"
                for each in re.findall(r"-m delivery propose (\w+)", script)
            ]
        lines.append("  end")
    for each in ENVIRONMENTS:
        lines.append(f'  {each}[("gitops/{each}")]')
        arrows.append(f'  {each} -- Argo CD or Flux --> {each}_cluster(["{each}"])')
    return "".join(f"{line}\n" for line in lines + arrows)


def drawings() -> dict[str, str]:
    """The drawings, by the names of their places in the document.

    Raises:
        Incomplete: the chart cannot be rendered, or a module is in no group.
        LaptopError: the DAGs cannot be read.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with graph.reading(folder, "drawing", [_DAY], folder / "log") as reading:
            drawn = {
                "objects": objects(read_objects()),
                "modules": modules(read_imports()),
                "account": account(read_account()),
                "delivery": delivery(read_workflows()),
            }
            read = reading.graph()
    return {**drawn, "tasks": tasks(read.days[_DAY], read.tables)}


def read_objects() -> dict[str, list[Object]]:
    """Our own objects by profile, as helm renders its example.

    Raises:
        Incomplete: the chart cannot be rendered.
    """
    made = {}
    with tempfile.TemporaryDirectory() as name:
        alone = chart.without_dependency(Path(name))
        for profile in chart.EXAMPLES:
            answer = chart.helm(
                *("template", "sparkify", alone, "--namespace", "sparkify"),
                *("--values", alone / f"values-{profile}.yaml", "--values", "-"),
                stdin=chart.values(profile),
            )
            if answer.returncode != 0:
                raise Incomplete(f"the chart is not rendered: {answer.stderr.strip()}")
            made[profile] = [each for each in yaml.safe_load_all(answer.stdout) if each]
    return made


def read_imports(package: Path = WORKER) -> dict[str, set[str]]:
    """For each module of the package, the modules of the package that it imports anywhere."""
    names = {path.stem for path in package.glob("*.py")} - {"__init__"}
    return {
        name: {other for other in _imported((package / f"{name}.py").read_text()) if other in names}
        for name in names
    }


def read_account() -> list[str]:
    """What `sparkify-aws` makes where only region and cluster are set, in its own order."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "aws.toml"
        file.write_text('region = "eu-west-1"\ncluster = "etl"\n')
        settings = Settings.from_file(file)
    stack = Stack(_NoAccount(boto3.Session(), settings, print), sql_folder())
    return [str(each).replace(settings.region, "REGION") for each in stack.resources]


class _NoAccount(Account):
    """Of no caller: AWS is not asked."""

    @property
    def id(self) -> str:
        return "ACCOUNT"

    @property
    def partition(self) -> str:
        return "aws"


def read_workflows() -> dict[str, Mapping[Any, Any]]:
    """The workflows that deliver, by name."""
    texts = {file.stem: file.read_text(encoding="utf-8") for file in sorted(WORKFLOWS.glob("*.yml"))}
    return {name: yaml.safe_load(text) for name, text in texts.items() if "-m delivery " in text}


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "sparkify":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sparkify."):
            yield node.module.removeprefix("sparkify.")
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("sparkify.")
                for alias in node.names
                if alias.name.startswith("sparkify.")
            )


_PLACES = {
    "cluster": "the cluster",
    "jobs": "the worker pods' namespace: sparkify-jobs",
    "release": "the release's namespace: sparkify",
}
# How a workflow starts, and what a step of it does that is ours.
_STARTS = {"push": "a merge to main", "workflow_dispatch": "by hand"}
_DOES = re.compile(r"\.github/scripts/([\w-]+)|-m (delivery \w+)")
_WORKLOADS = ("CronJob", "Deployment", "Job", "Pod", "StatefulSet")


def _key(each: Object) -> tuple[str, str, str]:
    """Where it is, its kind, its name."""
    about = each["metadata"]
    if each["kind"] == "Namespace":
        return "cluster", "Namespace", about["name"]
    place = "jobs" if about.get("namespace") == "sparkify-jobs" else "release"
    return place, each["kind"], _REVISION.sub("-REVISION-DIGEST", about["name"])


def _node(place: str, kind: str, name: str) -> str:
    """A workload has a node of its own; of other kinds there is one in a namespace."""
    return f"{place}_{kind}_{name}".replace("-", "_") if kind in _WORKLOADS else f"{place}_{kind}"


def _from_a_store(made: Sequence[Object]) -> Iterator[Object]:
    """The Secrets that External Secrets Operator makes, each of its ExternalSecret's name."""
    return ({**each, "kind": "Secret", "spec": {}} for each in made if each["kind"] == "ExternalSecret")


def _named(each: Object, made: Sequence[Object]) -> Iterator[Object]:
    """The objects of its namespace that a workload's pods are given, or that are made of a store's secret."""
    if each["kind"] == "ExternalSecret":
        wanted = {("Secret", each["metadata"]["name"])}
    elif each["kind"] in _WORKLOADS:
        wanted = set(_references(each["spec"]))
    else:
        return
    for other in made:
        if (other["kind"], other["metadata"]["name"]) in wanted and _key(other)[0] == _key(each)[0]:
            yield other


def _references(part: Any) -> Iterator[tuple[str, str]]:
    """(kind, name) of what a specification refers to, however deep."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "serviceAccountName":
                yield "ServiceAccount", value
            elif key in ("configMapRef", "configMapKeyRef", "configMap"):
                yield "ConfigMap", value["name"]
            elif key in ("secretRef", "secretKeyRef"):
                yield "Secret", value["name"]
            elif key == "secret" and "secretName" in value:
                yield "Secret", value["secretName"]
            else:
                yield from _references(value)
    elif isinstance(part, Iterable) and not isinstance(part, str):
        for each in part:
            yield from _references(each)


def _without_run(arguments: Sequence[str]) -> Iterator[str]:
    """Without the run's id, which is for the record only."""
    rest = iter(arguments)
    for word in rest:
        if word == "--run":
            next(rest)
        elif not word.startswith("--run="):
            yield word


def _text(text: str) -> str:
    return text.replace('"', "#quot;")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m architecture.render", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if something is out of date"
    )
    options = parser.parse_args(arguments)
    if chart.program() is None:
        print("The architecture's drawings are not made: helm is missing.", file=sys.stderr)
        return 0
    before = DOCUMENT.read_text(encoding="utf-8")
    try:
        after = rendered(before, drawings())
    except (Incomplete, LaptopError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.check and after != before:
        print("docs/architecture.md is out of date: make architecture", file=sys.stderr)
        return 1
    if not options.check:
        DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
