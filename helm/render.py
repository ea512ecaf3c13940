"""The chart as helm renders it.

`python -m helm.render FOLDER` writes our own objects of each profile there, for lint.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

CHART = Path(__file__).with_name("sparkify")

_DIGEST = f"sha256:{'0' * 64}"

# What a user adds to a profile, as an example.
EXAMPLES = {
    "kind": {
        "global": {"worker": {"image": f"registry.example/worker@{_DIGEST}"}},
        "airflow": {"images": {"airflow": {"repository": "registry.example/airflow", "digest": _DIGEST}}},
        "sandbox": {"image": f"registry.example/sandbox@{_DIGEST}"},
    },
    "eks": {
        "global": {
            "worker": {"image": f"registry.example/worker@{_DIGEST}"},
            "notices": {"webhook": True, "email": ["data-team@example.com"]},
        },
        "airflow": {
            "images": {"airflow": {"repository": "registry.example/airflow", "digest": _DIGEST}},
            "config": {"logging": {"remote_base_log_folder": "s3://example-logs/airflow"}},
        },
        "worker": {
            "settings": {
                "SPARKIFY_SOURCE": "s3://example-source",
                "SPARKIFY_STAGING": "s3://example-staging/sparkify",
                "SPARKIFY_COPY_ROLE": "arn:aws:iam::123456789012:role/copy",
                "SPARKIFY_WAREHOUSE_HOST": "example.redshift.amazonaws.com",
                "AWS_REGION": "eu-west-1",
            }
        },
        "externalSecret": {
            "enabled": True,
            "secretStore": {"name": "example"},
            "worker": "sparkify/worker",
            "notices": "sparkify/notices",
            "airflow": "sparkify/airflow",
        },
    },
}


def program() -> str | None:
    """helm: the environment's own, else the machine's, or None."""
    own = Path(sys.executable).with_name("helm")
    return str(own) if own.exists() else shutil.which("helm")


def without_dependency(folder: Path, chart: Path = CHART) -> Path:
    """A copy of the chart below `folder` with our own templates only: Airflow's chart need not be had."""
    copy = folder / "sparkify"
    shutil.copytree(chart, copy, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    about = yaml.safe_load((copy / "Chart.yaml").read_text())
    del about["dependencies"]
    (copy / "Chart.yaml").write_text(yaml.safe_dump(about))
    return copy


def values(profile: str) -> str:
    """The example of what a user adds to the profile, as a file."""
    return yaml.safe_dump(EXAMPLES[profile])


def helm(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command: Sequence[str | Path] = [program() or "helm", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def main(folder: Path) -> int:
    if program() is None:
        print("The chart is not linted: helm is missing.")
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        chart = without_dependency(Path(name))
        # Without hooks: the pod of `helm test` ends, as none of the others does. tests/helm looks at it.
        commands = (
            ("lint", "--quiet", "--strict", str(chart)),
            ("template", "sparkify", str(chart), "--namespace", "sparkify", "--no-hooks"),
        )
        for profile in EXAMPLES:
            given = ("--values", chart / f"values-{profile}.yaml", "--values", "-")
            for command in commands:
                done = helm(*command, *given, stdin=values(profile))
                if done.returncode != 0:
                    print(done.stdout, done.stderr, sep="", end="", file=sys.stderr)
                    return 1
            (folder / f"{profile}.yaml").write_text(done.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
