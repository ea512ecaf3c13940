"""`make smoke`, as it is typed for a real Redshift, and with a sandbox in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from redshift_sandbox import Endpoint

ROOT = Path(__file__).parents[2]
FEW = "truncate_commits or varchar_counts_bytes or maxerror or a_day_is_loaded or what_the_sandbox_does_not"

pytestmark = pytest.mark.sandbox_only


@pytest.fixture
def given(sandbox: Endpoint, s3: Any) -> dict[str, str]:
    """The environment of someone who has a Redshift, and a bucket for what is tried."""
    if "smoke" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="smoke")
    environment = {
        **os.environ,
        **sandbox.env,
        "SPARKIFY_STAGING": "s3://smoke/a",
        "SPARKIFY_COPY_ROLE": "default",
    }
    del environment["SPARKIFY_WAREHOUSE_HOST"]
    return {**environment, "REDSHIFT": sandbox.host}


def smoke(environment: dict[str, str], tests: str = FEW, *more: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.smoke.report",
        "tests/smoke",
        "tests/sandbox",
        *more,
    ]
    return subprocess.run(
        [*command, "-k", tests], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_where_all_is_as_in_the_sandbox_it_says_so_and_leaves_nothing(
    given: dict[str, str], s3: Any, administrator: Any
) -> None:
    ended = smoke(given)
    assert ended.returncode == 0, ended.stdout
    assert "3 behaviours are as the sandbox has them, 0 are not" in ended.stdout
    cursor = administrator.cursor()
    cursor.execute("select count(*) from pg_database where datname like 'sparkify_smoke%'")
    assert cursor.fetchone() == [0]
    assert s3.list_objects_v2(Bucket="smoke")["KeyCount"] == 0


def test_what_differs_is_in_the_table_and_in_the_exit_code(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_expectation.py").write_text(
        "from tests.sandbox.conftest import ask\n"
        "def test_varchar_counts_bytes(ask):\n"
        "    assert ask(\"select octet_length('é')\") == [[1]]\n"
    )
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import *\nfrom tests.conftest import _connect\n"
    )
    ended = smoke(given, "varchar_counts_bytes or truncate_commits", tmp_path)
    assert ended.returncode == 1
    (told,) = [line for line in ended.stdout.splitlines() if line.startswith("VARCHAR, CHAR ")]
    assert "DIFFERS: assert [[2]] == [[1]]" in told
    assert "1 behaviours are as the sandbox has them, 1 are not" in ended.stdout


def test_what_is_missing_is_named(given: dict[str, str]) -> None:
    del given["SPARKIFY_STAGING"]
    ended = smoke(given)
    assert ended.returncode == 1
    assert "settings: missing: SPARKIFY_SOURCE, SPARKIFY_STAGING" in ended.stdout
