"""What Argo CD and Flux read: their manifests, and the chart with each environment's values."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from delivery.release import ENVIRONMENTS, NOTHING, files, of_files
from helm.render import helm, program, without_dependency
from tests.delivery.test_releases import AIRFLOW, WORKER
from tests.helm.rendering import Objects, merged
from tests.provision.aws import CLUSTER, ID, REGION, Aws
from tests.provision.conftest import Command

ROOT = Path(__file__).parents[2]
GITOPS = ROOT / "gitops"
MANIFESTS = [
    path
    for path in sorted(GITOPS.rglob("*.yaml"))
    if path.name not in ("values.yaml", "kustomization.yaml", "names.yaml")
]

# The files that .github/scripts/controller-schemas fetches.
SCHEMAS = {
    "Application": "application-crd.yaml",
    "AppProject": "appproject-crd.yaml",
    "GitRepository": "source.toolkit.fluxcd.io_gitrepositories.yaml",
    "HelmRelease": "helm.toolkit.fluxcd.io_helmreleases.yaml",
    "Kustomization": "kustomize.toolkit.fluxcd.io_kustomizations.yaml",
}


def objects(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def one(path: str, kind: str) -> dict[str, Any]:
    (found,) = [each for each in objects(GITOPS / path) if each["kind"] == kind]
    return found


def closed(schema: Any) -> Any:
    """The schema, which now refuses fields that it does not name: the API server would silently drop them."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


def schema_of(kind: str, version: str) -> dict[str, Any]:
    folder = os.environ.get("CONTROLLER_SCHEMAS")
    if folder is None:
        pytest.skip("CONTROLLER_SCHEMAS names no folder that .github/scripts/controller-schemas has filled")
    definition = yaml.safe_load((Path(folder) / SCHEMAS[kind]).read_text())
    assert definition["spec"]["names"]["kind"] == kind
    (served,) = [
        each
        for each in definition["spec"]["versions"]
        if f"{definition['spec']['group']}/{each['name']}" == version and each["served"]
    ]
    schema: dict[str, Any] = closed(served["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(GITOPS)))
def test_each_object_agrees_with_its_controllers_schema(path: Path) -> None:
    for each in objects(path):
        jsonschema.validate(each, schema_of(each["kind"], each["apiVersion"]))


def test_a_field_that_the_controller_does_not_know_is_found() -> None:
    wrong = copy.deepcopy(one("staging/release.yaml", "HelmRelease"))
    wrong["spec"]["upgrade"]["remediation"]["retires"] = 3
    with pytest.raises(jsonschema.ValidationError, match="retires"):
        jsonschema.validate(wrong, schema_of("HelmRelease", wrong["apiVersion"]))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_argo_cd_and_flux_install_the_same(environment: str) -> None:
    application = one(f"{environment}/application.yaml", "Application")["spec"]
    source = one(f"{environment}/source.yaml", "GitRepository")["spec"]
    release = one(f"{environment}/release.yaml", "HelmRelease")["spec"]
    chart, values = application["sources"]
    assert chart["targetRevision"] == source["ref"]["commit"]
    assert {chart["repoURL"], values["repoURL"]} == {source["url"]}
    assert chart["helm"]["releaseName"] == release["releaseName"] == "sparkify"
    assert application["destination"]["namespace"] == release["targetNamespace"]
    assert f"./{chart['path']}" == release["chart"]["spec"]["chart"]
    # Flux takes the chart's own values only when they are named.
    first, *theirs = [f"{path}" for path in release["chart"]["spec"]["valuesFiles"]]
    assert first == f"{chart['path']}/values.yaml"
    *ours, environments = chart["helm"]["valueFiles"]
    assert [f"{chart['path']}/{path}" for path in ours] == theirs
    assert environments == f"${values['ref']}/gitops/{environment}/values.yaml"
    assert values["targetRevision"] == "main"
    for path in [*theirs, f"gitops/{environment}/values.yaml"]:
        assert (ROOT / path).is_file()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_flux_installs_anew_when_a_value_changes(environment: str, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")

    def built(folder: Path) -> tuple[str, dict[str, Any]]:
        done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
        made = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
        assert set(made) == {"ConfigMap", "HelmRelease", "GitRepository"}
        (values,) = made["HelmRelease"]["spec"]["valuesFrom"]
        assert values["name"] == made["ConfigMap"]["metadata"]["name"]
        assert made["ConfigMap"]["metadata"]["namespace"] == made["HelmRelease"]["metadata"]["namespace"]
        return values["name"], made["ConfigMap"]["data"]

    before, data = built(GITOPS / environment)
    assert data == {"values.yaml": (GITOPS / environment / "values.yaml").read_text()}
    shutil.copytree(GITOPS / environment, tmp_path / "changed")
    with (tmp_path / "changed/values.yaml").open("a") as values:
        values.write("# one line more\n")
    after, _ = built(tmp_path / "changed")
    assert before != after


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_chart_takes_each_environments_values_once_something_is_delivered(
    environment: str, tmp_path: Path
) -> None:
    if program() is None:
        pytest.skip("helm is not installed")
    chart = without_dependency(tmp_path)
    values = yaml.safe_load((GITOPS / environment / "values.yaml").read_text())
    if of_files(environment, {path: (ROOT / path).read_text() for path in files(environment)}) is None:
        # Not before: the chart's own word for what is missing, and no controller gets that far.
        command = ("template", "sparkify", chart, "--values", chart / "values-eks.yaml", "--values", "-")
        refused = helm(*command, stdin=yaml.safe_dump(values))
        assert refused.returncode != 0
        assert "image" in refused.stderr
        assert one(f"{environment}/source.yaml", "GitRepository")["spec"]["ref"]["commit"] == NOTHING
        values["global"]["worker"]["image"] = WORKER
        repository, _, digest = AIRFLOW.partition("@")
        values["airflow"]["images"]["airflow"] = {"repository": repository, "digest": digest}
    rendered = helm(
        *("template", "sparkify", chart, "--values", chart / "values-eks.yaml", "--values", "-"),
        stdin=yaml.safe_dump(values),
    )
    assert rendered.returncode == 0, rendered.stderr
    made = Objects(rendered.stdout)
    settings = made.one("ConfigMap", "sparkify-worker")
    assert settings["metadata"]["namespace"] == values["global"]["worker"]["namespace"]
    # By IAM to what `up` makes: no password is asked for, and the database is not the worker's default.
    aws_settings = tomllib.loads((GITOPS / environment / "aws.toml").read_text())
    kind = "CLUSTER" if aws_settings.get("warehouse") == "provisioned" else "WORKGROUP"
    assert settings["data"][f"SPARKIFY_WAREHOUSE_{kind}"] == aws_settings["prefix"]
    assert settings["data"]["SPARKIFY_WAREHOUSE_DATABASE"] == aws_settings.get("database", "sparkify")
    assert made.one("Secret", "sparkify-worker")["data"] == {}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environments_values_are_what_outputs_prints_for_its_settings(
    environment: str, aws: Aws, command: Command
) -> None:
    settings = tomllib.loads((GITOPS / environment / "aws.toml").read_text())
    application = one(f"{environment}/application.yaml", "Application")["spec"]
    assert settings["airflow_namespace"] == application["destination"]["namespace"]
    # The account, the region and the network are one's own; here they are the test's.
    text = (GITOPS / environment / "values.yaml").read_text().replace(settings["region"], REGION)
    values = yaml.safe_load(re.sub(r"\b\d{12}\b", ID, text))
    command.set(
        **{**settings, "region": REGION, "cluster": CLUSTER, "subnets": [], "node_security_groups": []}
    )
    aws.know_issuer()
    command("up")
    printed = yaml.safe_load(command("outputs"))
    if settings.get("warehouse") == "provisioned":
        del printed["worker"]["settings"]["SPARKIFY_WAREHOUSE_HOST"]  # AWS makes up a part of it
    assert merged(values, printed) == values


def test_argo_cd_may_reach_the_environments_namespaces_and_no_other() -> None:
    project = one("argocd.yaml", "AppProject")
    allowed = {each["namespace"] for each in project["spec"]["destinations"]}
    wanted = {project["metadata"]["namespace"]}
    for environment in ENVIRONMENTS:
        values = yaml.safe_load((GITOPS / environment / "values.yaml").read_text())
        application = one(f"{environment}/application.yaml", "Application")["spec"]
        assert application["project"] == project["metadata"]["name"]
        wanted |= {application["destination"]["namespace"], values["global"]["worker"]["namespace"]}
    assert allowed == wanted
    assert len(wanted) == 5  # no two environments share one


def test_what_is_applied_once_finds_every_environment() -> None:
    root = one("argocd.yaml", "Application")["spec"]["source"]
    assert root["path"] == "gitops"
    include = root["directory"]["include"]
    found = {path.parent.name for path in GITOPS.glob(include)}
    assert found == set(ENVIRONMENTS)
    flux = [each for each in objects(GITOPS / "flux.yaml") if each["kind"] == "Kustomization"]
    assert {each["spec"]["path"] for each in flux} == {f"./gitops/{each}" for each in ENVIRONMENTS}
    for each in flux:
        (check,) = each["spec"]["healthChecks"]
        release = one(f"{each['spec']['path'].removeprefix('./gitops/')}/release.yaml", "HelmRelease")
        assert (check["kind"], check["name"]) == ("HelmRelease", release["metadata"]["name"])
        assert check["apiVersion"] == release["apiVersion"]
