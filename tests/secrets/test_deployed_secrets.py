"""Secrets that Airflow and helm are given are looked for in tasks, pods, the rendered chart and its notes."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.render import EXAMPLES, helm
from tests.dags.airflow_side import midnight, scheduled, template_context
from tests.helm.rendering import NAMESPACE, RELEASE, Objects, merged, refusal
from tests.secrets.test_secrets import canary, shown, smtp

# What Airflow's processes have in their environment; the first must look like keys.
FERNET = "Q2FuYXJ5OUZlcm5ldDkgaXMgMzIgYnl0ZXMgbG9uZyE="
AIRFLOW = {
    "AIRFLOW__CORE__FERNET_KEY": FERNET,
    "AIRFLOW__API_AUTH__JWT_SECRET": canary("Jwt"),
    "AIRFLOW__API__SECRET_KEY": canary("Api"),
    "AIRFLOW_CONN_AWS_DEFAULT": f"aws://key:{canary('Connection')}@",
    "AIRFLOW_VAR_PASSWORD": canary("Variable"),
    "SPARKIFY_WAREHOUSE_PASSWORD": canary("Password"),
    "AWS_SECRET_ACCESS_KEY": canary("Key"),
    "AWS_SESSION_TOKEN": canary("Token"),
    "SPARKIFY_NOTICE_URL": f"https://hooks.example/{canary('Notice')}",
    "AIRFLOW_CONN_SPARKIFY_SMTP": smtp(canary("Smtp")),
}
PLANTED = [
    FERNET,
    *map(canary, ("Jwt", "Api", "Connection", "Variable", "Password", "Key", "Token", "Notice", "Smtp")),
    canary("Database"),
]


def test_no_task_and_no_pod_shows_what_airflow_knows(bag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AIRFLOW.items():
        monkeypatch.setenv(name, value)
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    folder = Path(bag.dag_folder)
    again = DagBag(folder, bundle_path=folder, bundle_name="dags")
    assert not again.import_errors
    interval = scheduled(again.dags["sparkify_daily"]).infer_manual_data_interval(
        run_after=midnight(date(2018, 11, 4))
    )
    count = 0
    for dag in again.dags.values():
        left = [str(DagSerialization.serialize_dag(dag))]
        for task in dag.tasks:
            made = task.prepare_for_execution()
            made.render_template_fields(template_context(dag, interval, "manual__1"))
            left += [str(getattr(made, field)) for field in made.template_fields]
            left.append(str(made.build_pod_request_obj(dry_run=True)))
            count += 1
        assert shown("\n".join(left), PLANTED) == set()
    assert count == 5


# The chart takes secrets by the names of Secrets. Airflow's own chart also takes some as values.
VALUES = {
    "airflow": {
        "fernetKey": FERNET,
        "jwtSecret": canary("Jwt"),
        "apiSecretKey": canary("Api"),
        "data": {"metadataConnection": {"pass": canary("Database")}},
    }
}


@pytest.mark.parametrize("profile", ["kind", "eks"])
def test_helm_shows_secrets_in_secrets_alone_and_its_notes_show_none(whole: Path, profile: str) -> None:
    values = yaml.safe_dump(merged(EXAMPLES[profile], VALUES))
    common = [RELEASE, whole, "--namespace", NAMESPACE, "--values", whole / f"values-{profile}.yaml"]
    rendered = helm("template", *common, "--values", "-", stdin=values)
    assert rendered.returncode == 0, rendered.stderr
    objects = Objects(rendered.stdout)
    secret = {
        text
        for each in objects.of("Secret")
        for text in [*each.get("stringData", {}).values(), *each.get("data", {}).values()]
    }
    for each in objects.all:
        if each["kind"] == "Secret":
            each = {**each, "data": None, "stringData": None}
        text = yaml.safe_dump(each, width=10_000)
        assert shown(text, PLANTED) == set(), (each["kind"], each["metadata"]["name"])
    if profile == "kind":  # which makes Secrets of its own
        assert len(secret) > 5
    installed = helm("install", *common, "--dry-run=client", "--values", "-", stdin=values)
    assert installed.returncode == 0, installed.stderr
    _, found, notes = installed.stdout.partition("\nNOTES:\n")
    assert found
    assert "kubectl" in notes
    assert shown(notes + installed.stderr + rendered.stderr, PLANTED) == set()
    made = {text for text in secret if len(text) >= 16 and text in notes}
    assert made == set()


def test_the_chart_takes_nothing_into_a_config_map_that_airflow_says_is_secret(alone: Path) -> None:
    from airflow.configuration import conf

    secret = {
        (section, key)
        for section, key in conf.sensitive_config_values
        # Options for code: they hold a secret only if one is put there.
        if not key.endswith("args")
    }
    assert ("database", "sql_alchemy_conn") in secret
    config: dict[str, dict[str, str]] = {}
    for section, key in sorted(secret | {("smtp", "smtp_password")}):
        config.setdefault(section, {})[key] = canary("Config")
    refused = refusal(alone, "eks", {"airflow": {"config": config}})
    for section, keys in config.items():
        for key in keys:
            assert f"at '/airflow/config/{section}/{key}': false schema" in refused
    assert shown(refused, [canary("Config")]) == set()
