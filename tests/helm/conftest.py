"""The chart in two forms: our own templates alone, and whole, where Airflow's chart can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from helm.render import CHART, program, without_dependency
from tests.helm.rendering import Objects, render

PROFILES = ("kind", "eks")


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart of our own templates only."""
    if program() is None:
        pytest.skip("helm is not installed")
    return without_dependency(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with its dependency: from beside it, from the cache, or from the official repository."""
    if program() is None:
        pytest.skip("helm is not installed")
    folder = tmp_path_factory.mktemp("whole")
    chart = folder / "sparkify"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("charts"))
    (dependency,) = yaml.safe_load((chart / "Chart.yaml").read_text())["dependencies"]
    archive = f"{dependency['name']}-{dependency['version']}.tgz"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for place in (CHART / "charts", cache / "sparkify" / "charts"):
        if (place / archive).exists():
            (chart / "charts").mkdir()
            shutil.copy(place / archive, chart / "charts")
            return chart
    environment = {
        **os.environ,
        **{f"HELM_{each}_HOME": str(folder / each) for each in ("CACHE", "CONFIG", "DATA")},
    }
    for command in (
        ("repo", "add", "apache-airflow", dependency["repository"]),
        ("dependency", "build", chart),
    ):
        try:
            subprocess.run(
                [program(), *command], env=environment, check=True, capture_output=True, timeout=60
            )
        except subprocess.SubprocessError:
            pytest.skip(f"{archive} is neither at hand nor to be had from {dependency['repository']}")
    return chart


@pytest.fixture(
    scope="session", params=[f"{form} {profile}" for form in ("alone", "whole") for profile in PROFILES]
)
def objects(request: pytest.FixtureRequest) -> Objects:
    """What each profile's example makes, in both forms of the chart."""
    form, profile = request.param.split()
    return render(request.getfixturevalue(form), profile)


@pytest.fixture(scope="session")
def kind(alone: Path) -> Objects:
    """Our own objects of the kind profile."""
    return render(alone, "kind")


@pytest.fixture(scope="session")
def eks(alone: Path) -> Objects:
    """Our own objects of the EKS profile."""
    return render(alone, "eks")


@pytest.fixture(scope="session")
def watched(whole: Path) -> Objects:
    """The whole chart of the EKS profile with all that watches, the exporter's image by its digest."""
    image = {"repository": "registry.example/statsd-exporter@sha256", "tag": "1" * 64}
    values = {
        "airflow": {"statsd": {"enabled": True}, "images": {"statsd": image}},
        "metrics": {
            "prometheusNamespace": "observed",
            "labels": {"release": "prometheus"},
            **{each: {"enabled": True} for each in ("scrape", "alerts", "dashboard")},
        },
    }
    return render(whole, "eks", values)


@pytest.fixture(scope="session")
def whole_kind(whole: Path) -> Objects:
    return render(whole, "kind")


@pytest.fixture(scope="session")
def whole_eks(whole: Path) -> Objects:
    return render(whole, "eks")
