"""skaffold.yaml: what it names exists, and the images it builds reach the pods. What needs no skaffold."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import chart, cluster
from helm.render import EXAMPLES, program

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
PROFILES = [profile["name"] for profile in CONFIG["profiles"]]
DIGESTS = {"worker": "1" * 64, "airflow": "2" * 64, "sandbox": "3" * 64}


def activated(name: str) -> dict[str, Any]:
    """The configuration with a profile's patches."""
    config = copy.deepcopy(CONFIG)
    (profile,) = [each for each in config["profiles"] if each["name"] == name]
    for patch in profile["patches"]:
        assert patch["op"] == "add"
        *parents, last = patch["path"].strip("/").split("/")
        target: Any = config
        for key in parents:
            target = target[int(key) if isinstance(target, list) else key]
        if last == "-":
            target.append(patch["value"])
        else:
            target[last] = patch["value"]
    return config


def release(config: dict[str, Any]) -> dict[str, Any]:
    (only,) = config["deploy"]["helm"]["releases"]
    return dict(only)


def set_values(config: dict[str, Any]) -> dict[str, str]:
    """What skaffold gives helm by --set, for images that were pushed."""
    variables = {}
    for artifact in config["build"]["artifacts"]:
        name = artifact["image"].replace("-", "_")
        digest = DIGESTS[artifact["image"].removeprefix("sparkify-")]
        variables[f"IMAGE_REPO_{name}"] = f"registry.example/{artifact['image']}"
        variables[f"IMAGE_TAG_{name}"] = "tag"
        variables[f"IMAGE_DIGEST_{name}"] = f"sha256:{digest}"
    return {
        key: re.sub(r"\{\{\.(\w+)\}\}", lambda found: variables[found[1]], template)
        for key, template in release(config)["setValueTemplates"].items()
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_every_file_that_is_named_is_there(profile: str) -> None:
    config = activated(profile)
    named = [artifact["docker"]["dockerfile"] for artifact in config["build"]["artifacts"]]
    named += [release(config)["chartPath"], *release(config)["valuesFiles"]]
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == (["my-values.yaml"] if profile == "eks" else [])  # the user's own
    (sync,) = [
        rule
        for artifact in config["build"]["artifacts"]
        for rule in artifact.get("sync", {}).get("manual", [])
    ]
    assert list(ROOT.glob(sync["src"]))
    assert f"{sync['dest']}" in (ROOT / "dags/Dockerfile").read_text()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_value_that_is_set_is_one_of_the_charts(profile: str) -> None:
    values = yaml.safe_load((ROOT / "helm/sparkify/values.yaml").read_text())
    for key in set_values(activated(profile)):
        at: Any = values
        for part in key.split("."):
            assert part in at, key
            at = at[part]


def test_the_ports_service_and_the_hook_are_there() -> None:
    (forward,) = CONFIG["portForward"]
    assert forward["resourceName"] == f"{release(CONFIG)['name']}-airflow-api-server"
    (hook,) = CONFIG["deploy"]["helm"]["hooks"]["before"]
    make, *options, target = hook["host"]["command"]
    assert (make, options) == ("make", ["--silent"])
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_the_kind_profile_is_for_the_cluster_that_up_makes() -> None:
    (kind,) = [profile for profile in CONFIG["profiles"] if profile["name"] == "kind"]
    (activation,) = kind["activation"]
    assert re.fullmatch(activation["kubeContext"], "kind-sparkify")
    # skaffold pushes to where this ConfigMap says, so the pods' images have digests.
    assert "local-registry-hosting" in Path(cluster.__file__).read_text()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_digests_that_skaffold_has_pushed_reach_the_pods(profile: str, tmp_path: Path) -> None:
    helm = program()
    if helm is None:
        pytest.skip("helm is not installed")
    archive = "airflow-1.22.0.tgz"
    if not (chart.CHART / "charts" / archive).exists() and not (chart.cache() / archive).exists():
        pytest.skip(f"{archive} is not on this machine")
    chart.fetch_dependency()
    config = activated(profile)
    # Of the example only what is the user's own: no image.
    own = {key: value for key, value in EXAMPLES[profile].items() if key not in ("global", "sandbox")}
    own["airflow"] = {key: value for key, value in own["airflow"].items() if key != "images"}  # type: ignore[attr-defined]
    (tmp_path / "my-values.yaml").write_text(yaml.safe_dump(own))
    files = [ROOT / name for name in release(config)["valuesFiles"] if name != "my-values.yaml"]
    rendered = subprocess.run(
        [
            *(helm, "template", release(config)["name"], ROOT / release(config)["chartPath"]),
            *("--namespace", release(config)["namespace"]),
            *(part for file in (*files, tmp_path / "my-values.yaml") for part in ("--values", file)),
            *(part for key, value in set_values(config).items() for part in ("--set", f"{key}={value}")),
        ],
        capture_output=True,
        text=True,
    )
    assert rendered.returncode == 0, rendered.stderr
    images = {name: f"registry.example/sparkify-{name}" for name in DIGESTS}
    worker = f"{images['worker']}@sha256:{DIGESTS['worker']}"
    assert re.search(rf"name: SPARKIFY_WORKER_IMAGE\s+value: \"?{re.escape(worker)}\"?\n", rendered.stdout)
    named = set(re.findall(r"^\s*image: \"?([^\s\"]+)\"?$", rendered.stdout, re.M))
    expected = {worker, f"{images['airflow']}:tag@sha256:{DIGESTS['airflow']}"}
    if profile == "kind":
        expected.add(f"{images['sandbox']}@sha256:{DIGESTS['sandbox']}")
    assert named == expected


@pytest.mark.parametrize("profile", PROFILES)
def test_skaffold_itself_reads_it(profile: str) -> None:
    skaffold = shutil.which("skaffold")
    if skaffold is None:
        pytest.skip("skaffold is not installed")
    read = subprocess.run(
        [skaffold, "diagnose", "--yaml-only", "--profile", profile], cwd=ROOT, capture_output=True, text=True
    )
    assert read.returncode == 0, read.stderr
