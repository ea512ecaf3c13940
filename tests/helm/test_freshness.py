"""The CronJob that asks whether every day that is due is loaded."""

from __future__ import annotations

from pathlib import Path

from sparkify import cli
from tests.helm.rendering import JOBS, NAMESPACE, Object, Objects, render


def job(objects: Objects) -> Object:
    made: Object = objects.one("CronJob", "sparkify-freshness")
    return made


def worker(objects: Objects) -> Object:
    (container,) = job(objects)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    made: Object = container
    return made


def test_it_is_off_where_the_days_are_long_past_and_on_for_eks(kind: Objects, eks: Objects) -> None:
    assert "sparkify-freshness" not in {name for _, name in kind.names("CronJob")}
    assert job(eks)["metadata"]["namespace"] == JOBS
    assert worker(eks)["image"] == f"registry.example/worker@sha256:{'0' * 64}"


def test_the_worker_understands_what_it_is_told(alone: Path) -> None:
    values = {"freshness": {"hours": 9, "days": 3, "schedule": "0 9 * * 1-5"}}
    made = render(alone, "eks", values)
    understood = cli.parser().parse_args(worker(made)["args"])
    assert (understood.step, understood.hours, understood.days) == ("freshness", 9, 3)
    assert (job(made)["spec"]["schedule"], job(made)["spec"]["timeZone"]) == ("0 9 * * 1-5", "Etc/UTC")


def test_one_late_day_is_one_notice(eks: Objects) -> None:
    template = job(eks)["spec"]["jobTemplate"]["spec"]
    assert template["backoffLimit"] == 0
    assert template["template"]["spec"]["restartPolicy"] == "Never"
    asked_again = cli.parser().parse_args(worker(eks)["args"]).patience
    assert template["activeDeadlineSeconds"] > 2 * asked_again


def test_the_webhook_is_named_by_its_secret_and_asked_for_only_when_there_is_one(
    alone: Path, eks: Objects
) -> None:
    reference = {"name": "sparkify-notices", "key": "webhook-url"}
    assert worker(eks)["env"] == [{"name": "SPARKIFY_NOTICE_URL", "valueFrom": {"secretKeyRef": reference}}]
    assert {(NAMESPACE, "sparkify-notices"), (JOBS, "sparkify-notices")} <= eks.names("ExternalSecret")
    without = render(alone, "eks", {"global": {"notices": {"webhook": False, "email": []}}})
    assert "env" not in worker(without)
    assert "sparkify-notices" not in str(without.all)
