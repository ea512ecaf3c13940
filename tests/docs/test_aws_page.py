"""docs/aws.md: what it says is printed is printed, and what it has one type is taken."""

from __future__ import annotations

import base64
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml
from botocore import xform_name
from botocore.model import OperationModel

from helm.render import CHART, program
from sparkify_aws import cli
from tests.helm.rendering import Objects
from tests.provision.aws import Aws

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "aws.md").read_text(encoding="utf-8")
WORKER, AIRFLOW = (f"registry.example/sparkify/{name}@sha256:{'1' * 64}" for name in ("worker", "airflow"))

# What the AWS command line has and the services' models have not.
_OWN_COMMANDS = {
    ("eks", "update-kubeconfig"),
    ("ecr", "get-login-password"),
    ("configure", "export-credentials"),
}
_OWN_OPTIONS = {"query", "output", "cli-input-json"}
_OWN_OPTIONS_OF = {"authorize-security-group-ingress": {"protocol", "port", "source-group"}}


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.DOTALL)


def commands(section: str = PAGE) -> Iterator[tuple[str, list[str]]]:
    """Each command that is typed, and the lines that are shown below it."""
    for block in fences(section, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *shown = re.sub(r"\\\n +", "", part).splitlines()
            yield command, shown


def section(number: int) -> str:
    (found,) = re.findall(rf"^### {number}\. .*?(?=^##)", PAGE, re.M | re.DOTALL)
    return str(found)


class Terminal(io.StringIO):
    """Where one is asked, and what one types is seen."""

    def __init__(self, answer: str, screen: io.StringIO) -> None:
        super().__init__(f"{answer}\n")
        self._screen = screen

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1) -> str:
        line = super().readline()
        self._screen.write(line)
        return line


def typed(command: str, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `sparkify-aws …`, or `sparkify-aws … | tee FILE`, prints, both outputs as they come."""
    words, _, file = command.removeprefix("sparkify-aws ").partition(" | tee ")
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdin", Terminal("sparkify", screen))
    with redirect_stdout(screen), redirect_stderr(screen):
        code = cli.main(words.split(), aws.session)
    assert code == 0, screen.getvalue()
    if file:
        Path(file).write_text(screen.getvalue())
    return screen.getvalue()


def pattern(shown: list[str]) -> str:
    """What fits the lines: `…` is anything, as a line any number of them; the seconds are any."""
    lines = []
    for line in shown:
        escaped = re.sub(r"(?<=  )\d+\\ s$", r"\\d+\\ s", re.escape(line).replace(r"\ \ ", "  "))
        lines.append(r"(?:.*\n)*" if line == "…" else escaped.replace("…", ".*") + r"\n")
    return "".join(lines)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the page's settings are, which are typed in."""
    (settings,) = fences(PAGE, "toml")
    (tmp_path / "aws.toml").write_text(f"{settings}\npoll_seconds = 0\nwait_minutes = 0.2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_sparkify_aws_prints_is_what_the_page_shows(
    there: Path, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    for command, shown in commands():
        if command.startswith("aws s3 sync "):
            aws.upload(command.rpartition("//")[2], "log_data/2018/11/2018-11-01-events.json")
        if command.startswith("sparkify-aws "):
            printed = typed(command, aws, monkeypatch)
            assert re.fullmatch(pattern(shown), printed), f"{command} prints\n{printed}"
            ran.append(command.split()[1])
    assert ran == ["plan", "up", "status", "outputs", "down"]


def test_the_chart_takes_what_was_printed_and_the_images_that_were_published(
    there: Path, aws: Aws, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, _ in commands(section(1)):
        if command.startswith("sparkify-aws "):
            typed(command, aws, monkeypatch)
    shutil.copytree(alone, there / "helm/sparkify")
    ((install, _),) = [each for each in commands() if each[0].startswith("helm upgrade --install ")]
    rendering = f'helm() {{ shift 2; "{program()}" template "$@"; }}\n{install}'
    environment = {**os.environ, "worker": WORKER, "airflow": AIRFLOW}
    done = subprocess.run(
        ["bash", "-c", rendering], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = Objects(done.stdout)
    settings = made.one("ConfigMap", "sparkify-worker")["data"]
    assert (settings["SPARKIFY_WAREHOUSE_WORKGROUP"], settings["SPARKIFY_WAREHOUSE_DATABASE"]) == (
        ("sparkify", "sparkify")
    )
    images = {pod.name: {each["image"] for each in pod.containers} for pod in made.pods()}
    assert images["sparkify-test"] == {WORKER}
    assert images["sparkify-migrate-1-11111111"] == {AIRFLOW}


def test_the_secrets_are_those_that_airflow_asks_for(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    stand_ins = (
        "aws() { echo database.example; }\n"
        'kubectl() { case "$2" in secret) cat >"$4.${7#--from-file=}.made";; esac; }\n'
    )
    # A path has no room for /dev/stdin.
    typing = "\n".join(command for command, _ in commands(section(3))).replace("=/dev/stdin", "")
    subprocess.run(["bash", "-euc", f"{stand_ins}{typing}"], cwd=tmp_path, check=True)
    made = {path.name.removesuffix(".made"): path.read_text() for path in tmp_path.iterdir()}
    values = yaml.safe_load((CHART / "values.yaml").read_text())["airflow"]
    assert set(made) == {
        f"{values['data']['metadataSecretName']}.connection",
        f"{values['fernetKeySecretName']}.fernet-key",
        f"{values['jwtSecretName']}.jwt-secret",
        f"{values['apiSecretKeySecretName']}.api-secret-key",
    }  # and no file with the password is left
    assert re.fullmatch(
        r"postgresql://airflow:[0-9a-f]{48}@database\.example:5432/airflow\?sslmode=require",
        made["sparkify-metadata.connection"],
    )
    assert len(base64.urlsafe_b64decode(made["sparkify-fernet-key.fernet-key"])) == 32


def calls(text: str) -> Iterator[list[str]]:
    """The words of each command of `aws`, `aws` left out, what the shell puts in as X."""
    for block in fences(text, r"\w*"):
        whole = re.sub(r"\\\n +", "", block)
        plain = re.sub(r"\$\((?!\s*aws )[^()]*\)", "X", whole)
        for found in re.findall(r"(?<![\w.-])aws ((?:'[^']*'|[^\n;|>)])*)", plain):
            yield shlex.split(found)


@pytest.mark.parametrize("page", ["aws.md", "delivery.md", "operations.md"])
def test_each_command_of_aws_and_its_options_are_there(page: str, aws: Aws) -> None:
    count = 0
    for service, operation, *rest in calls((DOCS / page).read_text(encoding="utf-8")):
        if service == "s3" or (service, operation) in _OWN_COMMANDS:
            continue
        client = aws.client("s3" if service == "s3api" else service)
        if operation == "wait":
            assert rest[0].replace("-", "_") in client.waiter_names
            continue
        names = {xform_name(each, "-"): each for each in client.meta.service_model.operation_names}
        assert operation in names, f"aws {service} {operation}"
        model: OperationModel = client.meta.service_model.operation_model(names[operation])
        assert model.input_shape is not None
        known = {xform_name(each, "-") for each in model.input_shape.members}
        needed = {xform_name(each, "-") for each in model.input_shape.required_members}
        given = {each[2:] for each in rest if each.startswith("--")}
        own = _OWN_OPTIONS | _OWN_OPTIONS_OF.get(operation, set())
        strange = {each for each in given - own if each.removeprefix("no-") not in known}
        assert strange == set(), f"aws {service} {operation}"
        assert needed <= given, f"aws {service} {operation}"
        count += 1
    assert count > 0
