"""The CronJob that asks whether every day that is due is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkify import cli
from sparkify.settings import Settings
from tests.helm.rendering import JOBS, NAMESPACE, Object, Objects, render
from tests.helm.test_settings import config, secret


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


def reference(variable: str, key: str) -> Object:
    secret = {"name": "sparkify-notices", "key": key}
    return {"name": variable, "valueFrom": {"secretKeyRef": secret}}


WEBHOOK = [reference("SPARKIFY_NOTICE_URL", "webhook-url")]
MAIL = [
    {"name": "SPARKIFY_NOTICE_EMAIL", "value": "one@example.com,two@example.com"},
    reference("SPARKIFY_NOTICE_SMTP", "smtp-connection"),
]


@pytest.mark.parametrize(
    ("webhook", "email", "told"),
    [
        (True, [], WEBHOOK),
        (False, ["one@example.com", "two@example.com"], MAIL),
        (True, ["one@example.com", "two@example.com"], [MAIL[0], *WEBHOOK, MAIL[1]]),
    ],
)
def test_the_ways_of_notices_are_named_by_their_secret_and_only_those_that_there_are(
    alone: Path, webhook: bool, email: list[str], told: list[Object]
) -> None:
    made = render(alone, "eks", {"global": {"notices": {"webhook": webhook, "email": email}}})
    assert worker(made)["env"] == told
    keys = [each["valueFrom"]["secretKeyRef"]["key"] for each in told if "valueFrom" in each]
    made_of = [each for each in made.of("ExternalSecret") if each["metadata"]["name"] == "sparkify-notices"]
    assert {each["metadata"]["namespace"] for each in made_of} == {NAMESPACE, JOBS}
    for each in made_of:
        assert [one["secretKey"] for one in each["spec"]["data"]] == keys


def test_a_worker_takes_the_addresses_as_the_chart_joins_them(eks: Objects) -> None:
    told = {each["name"]: each.get("value") for each in worker(eks)["env"]}
    way = "smtp://user:password@mail.example.com:587?disable_ssl=true&from_email=sparkify%40example.com"
    given = {**config(eks), **secret(eks), "SPARKIFY_NOTICE_SMTP": way}
    settings = Settings.from_env({**given, "SPARKIFY_NOTICE_EMAIL": told["SPARKIFY_NOTICE_EMAIL"]})
    assert settings.notice_email == ("data-team@example.com",)


def test_without_notices_no_secret_is_asked_for(alone: Path) -> None:
    without = render(alone, "eks", {"global": {"notices": {"webhook": False, "email": []}}})
    assert "env" not in worker(without)
    assert "sparkify-notices" not in str(without.all)


def test_without_freshness_the_pods_namespace_has_no_way_of_notices(alone: Path) -> None:
    made = render(alone, "eks", {"freshness": {"enabled": False}})
    assert {where for where, name in made.names("ExternalSecret") if name == "sparkify-notices"} == {
        NAMESPACE
    }
    assert (JOBS, "sparkify-freshness") not in made.names("NetworkPolicy")
