"""Who may talk to whom, worked out from all NetworkPolicies together as Kubernetes defines them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.helm.rendering import JOBS, NAMESPACE, Object, Objects, namespace, render


@dataclass(frozen=True)
class End:
    """A pod, or an address outside."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    address: str = ""


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


def _is_peer(peer: Object, policy: Object, end: End) -> bool:
    if "ipBlock" in peer:
        return bool(end.address) and ip_address(end.address) in ip_network(peer["ipBlock"]["cidr"])
    if end.address:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != namespace(policy):
        return False
    return _selects(peer.get("podSelector", {}), end.labels)


def _allows(policies: Iterable[Object], kind: str, pod: End, other: End, port: int, protocol: str) -> bool:
    """Whether the pod's policies of this kind, Ingress or Egress, allow the connection."""
    if pod.address:
        return True
    own = [
        policy
        for policy in policies
        if namespace(policy) == pod.namespace
        and kind in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], pod.labels)
    ]
    rules = [(policy, rule) for policy in own for rule in policy["spec"].get(kind.lower()) or []]
    peers = "from" if kind == "Ingress" else "to"
    return not own or any(
        (not rule.get(peers) or any(_is_peer(peer, policy, other) for peer in rule[peers]))
        and (
            not rule.get("ports")
            or any(each["port"] == port and each.get("protocol", "TCP") == protocol for each in rule["ports"])
        )
        for policy, rule in rules
    )


DNS = End("dns", "kube-system", {"k8s-app": "kube-dns"})
NODE_DNS = End("node's dns", address="169.254.20.10")
AWS = End("aws", address="52.1.2.3")
PRIVATE = End("private network", address="10.1.2.3")
CREDENTIALS = End("pod identity", address="169.254.170.23")
NODE_METADATA = End("node's metadata", address="169.254.169.254")
STRANGER = End("stranger", "default", {"tier": "airflow", "release": "sparkify"})
NEIGHBOUR = End("neighbour", NAMESPACE, {"app": "other"})
WORKER = End("worker", JOBS, {"sparkify/step": "load", "dag_id": "sparkify_daily"})
OUTSIDE = [DNS, NODE_DNS, AWS, PRIVATE, CREDENTIALS, NODE_METADATA, STRANGER, NEIGHBOUR]
PORTS = [22, 53, 80, 443, 587, 5432, 5439, 6443, 8080, 8793, 8794, 9000]


def reach(objects: Objects) -> dict[str, set[str]]:
    """Of each pod, what it reaches: "name:port"."""
    policies = objects.of("NetworkPolicy")
    pods = [End(pod.name, pod.namespace, pod.labels) for pod in objects.pods()]
    return {
        source.name: {
            f"{target.name}:{port}{'/UDP' if protocol == 'UDP' else ''}"
            for target in [*pods, WORKER, *OUTSIDE]
            if target != source
            for port in PORTS
            for protocol in ("TCP", "UDP")
            if _allows(policies, "Egress", source, target, port, protocol)
            and _allows(policies, "Ingress", target, source, port, protocol)
        }
        for source in [*pods, WORKER, STRANGER, NEIGHBOUR]
    }


def ways(*names: str) -> set[str]:
    return {*names, "dns:53", "dns:53/UDP", "node's dns:53", "node's dns:53/UDP"}


HTTPS = {"aws:443", "aws:6443", "private network:443", "private network:6443"}
# The node's own credentials are at a port that HTTPS does not have.
LINK_LOCAL = {f"{end.name}:{port}" for end in (NODE_DNS, NODE_METADATA, CREDENTIALS) for port in (443, 6443)}
API = HTTPS | LINK_LOCAL
MAIL = {f"{end.name}:587" for end in (AWS, PRIVATE, NODE_DNS, NODE_METADATA, CREDENTIALS)}
A_SERVER = "sparkify-airflow-api-server:8080"
LOGS = "sparkify-airflow-scheduler:8793"


@pytest.fixture(scope="module")
def in_kind(kind: Objects) -> dict[str, set[str]]:
    return reach(kind)


def test_in_kind_a_worker_reaches_dns_the_warehouse_and_s3_and_nothing_else(in_kind: dict) -> None:
    sandbox = ways("sparkify-sandbox:5439", "sparkify-sandbox:9000")
    assert in_kind["worker"] == sandbox
    assert in_kind["sparkify-test"] == sandbox


def test_in_kind_nobody_else_reaches_the_sandbox_and_it_reaches_nobody(in_kind: dict) -> None:
    reached = {
        source: {target for target in targets if target.startswith(("sparkify-sandbox", "sparkify-metadata"))}
        for source, targets in in_kind.items()
        if source not in ("worker", "sparkify-test", "sparkify-migrate-1-00000000")
    }
    assert not any(reached.values()), reached
    assert in_kind["sparkify-sandbox"] == set()
    assert in_kind["sparkify-metadata"] == set()


def test_the_clean_up_reaches_the_cluster_and_nothing_else(in_kind: dict) -> None:
    assert in_kind["sparkify-cleanup"] == ways() | API


def test_on_eks_a_worker_reaches_dns_the_warehouse_and_https(eks: Objects) -> None:
    assert reach(eks)["worker"] == ways("private network:5439", "pod identity:80") | API


def test_freshness_reaches_what_a_worker_reaches_and_the_mail_server(alone: Path, eks: Objects) -> None:
    reached = reach(eks)
    assert reached["sparkify-freshness"] == reached["worker"] | MAIL
    assert not reached["worker"] & MAIL
    without = reach(render(alone, "eks", {"global": {"notices": {"email": []}}}))
    assert without["sparkify-freshness"] == without["worker"]


def test_the_mail_servers_port_is_opened_as_it_is_set(alone: Path) -> None:
    made = render(alone, "eks", {"networkPolicies": {"smtpPort": 22}})
    ports = {each.rpartition(":")[2] for each in reach(made)["sparkify-freshness"] - reach(made)["worker"]}
    assert ports == {"22"}


def test_in_kind_a_webhook_is_reached_when_notices_go_there(alone: Path) -> None:
    made = render(alone, "kind", {"global": {"notices": {"webhook": True}}})
    assert reach(made)["worker"] >= {"aws:443"}


def test_credentials_of_the_node_are_out_of_reach(eks: Objects, whole_eks: Objects) -> None:
    for each in (eks, whole_eks):
        assert [source for source, targets in reach(each).items() if "node's metadata:80" in targets] == [
            "stranger",
            "neighbour",
        ]


def test_the_warehouses_port_is_opened_as_it_is_set(alone: Path) -> None:
    made = render(alone, "eks", {"worker": {"settings": {"SPARKIFY_WAREHOUSE_PORT": 22}}})
    assert {"private network:22"} == {
        each for each in reach(made)["worker"] if each.startswith("private")
    } - HTTPS


def test_without_policies_everything_is_open(alone: Path) -> None:
    made = render(alone, "kind", {"networkPolicies": {"enabled": False}})
    assert made.of("NetworkPolicy") == []
    assert {"aws:22", "node's metadata:80", "sparkify-metadata:5432"} <= reach(made)["worker"]


def test_in_kind_airflows_parts_reach_each_other_and_their_database(whole_kind: Objects) -> None:
    reached = reach(whole_kind)
    database = "sparkify-metadata:5432"
    expected = {
        "sparkify-airflow-api-server": ways(database, LOGS) | API,
        "sparkify-airflow-scheduler": ways(database, A_SERVER) | API,
        "sparkify-airflow-dag-processor": ways(database, A_SERVER) | API,
        "sparkify-migrate-1-00000000": ways(database, A_SERVER) | API,
    }
    assert {name: reached[name] for name in expected} == expected


def test_nobody_from_elsewhere_reaches_airflow(whole_kind: Objects) -> None:
    reached = reach(whole_kind)
    for outsider in ("stranger", "neighbour", "worker", "sparkify-sandbox", "sparkify-metadata"):
        assert [each for each in reached[outsider] if each.startswith("sparkify-airflow")] == [], outsider


def test_on_eks_airflow_reaches_its_database_aws_and_the_cluster(whole_eks: Objects) -> None:
    reached = reach(whole_eks)
    outside = {*ways("private network:5432", "pod identity:80"), *API, *MAIL}
    expected: dict[str, set[str]] = {
        "sparkify-airflow-api-server": {*outside, LOGS},
        "sparkify-airflow-scheduler": {*outside, A_SERVER},
        "sparkify-airflow-dag-processor": {*outside, A_SERVER},
        "sparkify-airflow-database-cleanup": {*outside, A_SERVER},
        "sparkify-migrate-1-00000000": {*outside, A_SERVER},
    }
    assert {name: reached[name] for name in expected} == expected


def test_metrics_reach_the_exporter_and_prometheus_scrapes_it(watched: Objects) -> None:
    policies = watched.of("NetworkPolicy")
    (statsd,) = [End(pod.name, pod.namespace, pod.labels) for pod in watched.pods() if "statsd" in pod.name]
    prometheus, other = End("prometheus", "observed"), End("other", "monitoring")

    def connects(source: End, port: int, protocol: str) -> bool:
        return _allows(policies, "Egress", source, statsd, port, protocol) and _allows(
            policies, "Ingress", statsd, source, port, protocol
        )

    assert connects(WORKER, 9125, "UDP")
    assert not connects(WORKER, 9102, "TCP")
    assert connects(prometheus, 9102, "TCP")
    assert not connects(prometheus, 9125, "UDP")
    assert not connects(other, 9102, "TCP")
    assert not connects(NEIGHBOUR, 9125, "UDP")


def test_an_exporter_of_ones_own_is_reached_where_it_is(alone: Path) -> None:
    made = render(alone, "eks", {"worker": {"settings": {"SPARKIFY_STATSD": "statsd.monitoring.svc:8125"}}})
    policies = made.of("NetworkPolicy")
    assert _allows(policies, "Egress", WORKER, PRIVATE, 8125, "UDP")
    assert not _allows(policies, "Egress", WORKER, AWS, 8125, "UDP")


def test_statsd_and_a_triggerer_are_reached_when_they_are_on(whole: Path) -> None:
    on: dict[str, Any] = {"airflow": {"statsd": {"enabled": True}, "triggerer": {"enabled": True}}}
    made = render(whole, "kind", on)
    policies = made.of("NetworkPolicy")
    pods = {pod.name: End(pod.name, pod.namespace, pod.labels) for pod in made.pods()}

    def connects(source: str, target: str, port: int, protocol: str = "TCP") -> bool:
        ends = pods[f"sparkify-airflow-{source}"], pods[f"sparkify-airflow-{target}"]
        return _allows(policies, "Egress", *ends, port, protocol) and _allows(
            policies, "Ingress", ends[1], ends[0], port, protocol
        )

    assert connects("scheduler", "statsd", 9125, "UDP")
    assert connects("api-server", "triggerer", 8794)
    assert connects("triggerer", "api-server", 8080)
    assert not connects("dag-processor", "triggerer", 8794)
