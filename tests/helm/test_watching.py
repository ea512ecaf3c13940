"""Alert rules and dashboard: PromQL that parses, of metrics that there are; what to do about each alert."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from helm.render import CHART
from sparkify.cli import STEPS
from sparkify.metrics import METRICS
from tests.helm.rendering import NAMESPACE, Objects
from tests.helm.test_metrics import OURS

ROOT = Path(__file__).parents[2]
GROUPS: list[dict[str, Any]] = yaml.safe_load((CHART / "watching" / "alerts.yaml").read_text())["groups"]
ALERTS: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((CHART / "watching" / "dashboard.json").read_text())
TARGETS = [
    (f"{panel['title']} {target['refId']}", target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
QUERIES = [*((rule["alert"], rule["expr"]) for rule in ALERTS), *TARGETS]


def labels(watched: Objects) -> dict[str, set[str]]:
    """Each metric that Prometheus can have of the exporter, with its labels."""
    known: dict[str, set[str]] = {}
    for metric, mapping in zip(METRICS, OURS, strict=True):
        if metric.kind == "ms":
            known |= {f"{mapping['name']}_{part}": {*metric.tags} for part in ("count", "sum")}
            known[f"{mapping['name']}_bucket"] = {*metric.tags, "le"}
        else:
            known[mapping["name"]] = {*metric.tags}
    file = yaml.safe_load(watched.one("ConfigMap", "sparkify-airflow-statsd")["data"]["mappings.yml"])
    for mapping in file["mappings"][: -len(OURS)]:
        known[mapping["name"]] = {*mapping["labels"], "quantile"}  # a time is a summary
    return known


def selectors(expression: Any) -> Iterator[promql_parser.VectorSelector]:
    """Every metric that a query selects, wherever in it."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    elif isinstance(expression, promql_parser.MatrixSelector):
        yield expression.vector_selector
    elif isinstance(expression, promql_parser.Call):
        for each in expression.args:
            yield from selectors(each)
    elif isinstance(expression, promql_parser.BinaryExpr):
        yield from selectors(expression.lhs)
        yield from selectors(expression.rhs)
    elif isinstance(
        expression, promql_parser.AggregateExpr | promql_parser.ParenExpr | promql_parser.UnaryExpr
    ):
        yield from selectors(expression.expr)
    else:
        assert isinstance(expression, promql_parser.NumberLiteral), expression


def parsed(query: str) -> list[promql_parser.VectorSelector]:
    # Grafana's variable is a duration.
    return list(selectors(promql_parser.parse(query.replace("$__rate_interval", "5m"))))


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_every_query_asks_for_metrics_and_labels_that_there_are(
    watched: Objects, name: str, query: str
) -> None:
    known = labels(watched)
    found = parsed(query)
    assert found
    for selector in found:
        assert selector.name in known, name
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= known[selector.name], name
    grouped = {label for by in re.findall(r"\bby \(([^)]*)\)", query) for label in by.split(", ")}
    shown = set(re.findall(r"{{(\w+)}}", query))
    assert grouped | shown <= set().union(*(known[selector.name] for selector in found))


def test_a_query_of_a_metric_that_nobody_sends_would_be_seen(watched: Objects) -> None:
    (selector,) = parsed('sum(increase(sparkify_row_total{tabel="songs"}[5m]))')
    assert selector.name not in labels(watched)
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        promql_parser.parse("sum(increase(sparkify_rows_total[5m])")


def test_the_steps_that_a_rule_names_are_steps() -> None:
    for rule in ALERTS:
        for steps in re.findall(r'step=~"([^"]*)"', rule["expr"]):
            assert set(steps.split("|")) <= set(STEPS), rule["alert"]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_means_and_the_runbook_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert label in str(METRICS), label
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert re.search(rf"^\| `{rule['alert']}` \| [^|]+ \| [^|]+ \|$", runbook, re.MULTILINE)


def test_the_runbook_names_no_alert_that_there_is_not() -> None:
    named = set(re.findall(r"\bSparkify[A-Z]\w+", (ROOT / "docs" / "operations.md").read_text()))
    assert named == {rule["alert"] for rule in ALERTS}


def test_what_is_on_is_rendered_and_labelled_for_whoever_looks_for_it(watched: Objects) -> None:
    rule = watched.one("PrometheusRule", "sparkify-alerts")
    assert rule["spec"]["groups"] == GROUPS
    monitor = watched.one("ServiceMonitor", "sparkify-statsd")
    for each in (rule, monitor):
        assert each["apiVersion"] == "monitoring.coreos.com/v1"
        assert each["metadata"]["labels"]["release"] == "prometheus"
    service = watched.one("Service", "sparkify-airflow-statsd")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    dashboard = watched.one("ConfigMap", "sparkify-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["sparkify.json"]) == DASHBOARD


def test_nothing_of_it_is_there_by_default(kind: Objects, eks: Objects) -> None:
    for objects in (kind, eks):
        assert objects.of("PrometheusRule") + objects.of("ServiceMonitor") == []
        assert (NAMESPACE, "sparkify-dashboard") not in objects.names("ConfigMap")


def test_the_dashboard_shows_every_metric_of_ours() -> None:
    shown = {selector.name for _, query in TARGETS for selector in parsed(query)}
    for mapping in OURS:
        assert {name for name in shown if name.startswith(mapping["name"])}, mapping["name"]


def test_the_panels_lie_beside_each_other_and_use_the_data_source_that_is_chosen() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert sorted(set(ids)) == ids
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert sources == [{"type": "prometheus", "uid": "${datasource}"}] * len(sources)
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource"]


def test_the_rules_alert_when_they_should_and_only_then() -> None:
    """With Prometheus' own tool: alerts.test.yaml has the series and what is to come of them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    file = Path(__file__).with_name("alerts.test.yaml")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
