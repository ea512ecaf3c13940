"""The command line as a person and Airflow meet it: what it prints, and its exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparkify import cli
from sparkify.settings import Settings

SPARKIFY = Path(sys.executable).with_name("sparkify")
COMPLETE = {
    "SPARKIFY_SOURCE": "s3://source",
    "SPARKIFY_STAGING": "s3://staging/parts",
    "SPARKIFY_COPY_ROLE": "default",
    "SPARKIFY_WAREHOUSE_HOST": "127.0.0.1",
    "SPARKIFY_WAREHOUSE_PORT": "1",
    "SPARKIFY_WAREHOUSE_PASSWORD": "canary-5e1f",
    "AWS_REGION": "eu-west-1",
}


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARKIFY_", "AWS_"))}
    return subprocess.run(
        [SPARKIFY, *arguments], env={**kept, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def commands() -> list[list[str]]:
    examples = re.findall(r"^  sparkify (.+)$", cli.parser().format_help(), re.MULTILINE)
    return [example.split() for example in examples]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_of_every_command_shows_an_example_and_the_exit_codes(command: list[str]) -> None:
    words = [word for word in command if not word.startswith("-") and not re.match(r"\d", word)]
    shown = run(*words, "--help")
    assert shown.returncode == 0
    assert f"example:\n  sparkify {' '.join(words)}" in shown.stdout
    assert "99   there was nothing to do" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "sparkify: the following arguments are required: COMMAND"),
        (("stag",), "sparkify: argument COMMAND: invalid choice: 'stag'"),
        (("stage",), "sparkify stage: the following arguments are required: COMMAND"),
        (("load",), "sparkify load: the following arguments are required: --date"),
        (("load", "--date", "03.11.2018"), "'03.11.2018' is not a day of the form 2018-11-03"),
        (("load", "--date", "2018-02-30"), "'2018-02-30' is not a day: day is out of range for month"),
        (("trace", "x"), "'x' is neither of the form SESSION-ITEM, as in 139-1, nor FILE:LINE"),
        (("load", "--date", "2018-11-03", "--run", "a b"), "is not 1 to 250 visible ASCII characters"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_64(arguments: tuple[str, ...], message: str) -> None:
    refused = run(*arguments, **COMPLETE)
    assert refused.returncode == 64
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_one_message_names_every_setting_that_is_missing_or_wrong() -> None:
    refused = run(
        "load",
        "--date",
        "2018-11-03",
        SPARKIFY_SOURCE="gs://bucket",
        SPARKIFY_WAREHOUSE_HOST="https://warehouse",
        SPARKIFY_WAREHOUSE_PORT="many",
        SPARKIFY_MAX_BAD_RATIO="2",
        SPARKIFY_MISSING_DAY="maybe",
        SPARKIFY_WAREHOUSE_PASSWORD="canary-5e1f",
    )
    assert refused.returncode == 64
    assert refused.stderr.count("\n") == 1
    assert (
        "settings: missing: SPARKIFY_STAGING, SPARKIFY_COPY_ROLE, AWS_REGION; "
        "SPARKIFY_SOURCE='gs://bucket' is not of the form s3://bucket/prefix; "
        "SPARKIFY_WAREHOUSE_HOST='https://warehouse' is not the name or the IPv4 address of a host; "
        "SPARKIFY_WAREHOUSE_PORT='many' is not a whole number from 1 to 65535; "
        "SPARKIFY_MAX_BAD_RATIO='2' is not a number from 0 to 1; "
        "SPARKIFY_MISSING_DAY='maybe' is not one of fail, empty"
    ) in refused.stderr
    assert "canary" not in refused.stderr


def test_a_warehouse_that_cannot_be_reached_is_one_line_and_exit_75() -> None:
    refused = run("load", "--date", "2018-11-03", "--run", "r1", **COMPLETE)
    assert refused.returncode == 75
    assert refused.stderr.count("\n") == 1
    assert (
        "warehouse 127.0.0.1:1, database dev, user awsuser cannot be reached: communication error: "
        "[Errno 111] Connection refused; check SPARKIFY_WAREHOUSE_HOST"
    ) in refused.stderr
    assert "step=load day=2018-11-03 run=r1" in refused.stderr
    assert "canary" not in refused.stderr


def test_log_lines_are_json_objects_when_asked_for() -> None:
    refused = run("load", "--date", "2018-11-03", "--run", "r1", SPARKIFY_LOG="json", **COMPLETE)
    event = json.loads(refused.stderr)
    assert (event["level"], event["step"], event["day"], event["run"]) == (
        "error",
        "load",
        "2018-11-03",
        "r1",
    )


def test_tables_are_dropped_only_when_it_is_meant() -> None:
    refused = run("tables", "drop", **COMPLETE)
    assert refused.returncode == 64
    assert "say --yes if you mean it" in refused.stderr


def test_the_settings_object_never_shows_the_password() -> None:
    settings = Settings.from_env(COMPLETE)
    assert settings.password == "canary-5e1f"
    assert "canary" not in repr(settings)


def test_the_command_line_needs_nothing_but_the_standard_library_to_be_parsed() -> None:
    code = "import sys, sparkify.cli as c; c.parser().parse_args(['stage', 'songs']); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"redshift_connector", "boto3", "obstore", "msgspec", "airflow"} & set(loaded)
