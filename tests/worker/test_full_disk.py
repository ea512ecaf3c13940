"""What `sparkify stage` says when a disk of the sandbox is full, and that nothing is half loaded.

The sandbox's S3 server, or its PostgreSQL, has a small file system of its own, in a mount namespace.
"""

import json
import re
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from laptop import warehouse
from redshift_sandbox import Endpoint, SandboxError, running
from tests import command, s3
from tests.sandbox.test_wire_life import namespace_with
from tests.worker.staging import DAY, FILE, line, rows

ROOT = Path(__file__).parents[2]
LINES = 20_000


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("s3", r"rows/part-00000\.zst: cannot write it: 500 Internal Server Error \(InternalError: "),
        # PostgreSQL ends when it is its log of changes that has no room.
        (
            "postgres",
            r'reason="Disk Full \(53100\); make room in the warehouse"|warehouse \S+, .* cannot be reached',
        ),
    ],
    ids=["s3", "postgres"],
)
def test_a_full_disk_may_be_tried_again_and_nothing_is_half_loaded(
    part: str, message: str, tmp_path: Path
) -> None:
    small = tmp_path / "state" / part
    small.mkdir(parents=True)
    done = subprocess.run(
        namespace_with(
            f"mount -t tmpfs -o size=150m tmpfs '{small}'",
            f"exec '{sys.executable}' -m tests.worker.test_full_disk '{small}'",
        ),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    full, staged, again, staged_again = json.loads(done.stdout)
    assert full["code"] == 75
    assert re.search(message, full["log"]), full["log"]
    assert " ERROR " in full["log"].splitlines()[-1]
    assert staged == [[0, 0]]
    assert again["code"] == 0, again["log"]
    assert staged_again == [[LINES, 1]]


def main(small: Path) -> None:
    """In the namespace: stage a day without room on the file system, and again with."""
    day = ("stage", "events", "--date", DAY)
    # PostgreSQL ends, and the sandbox with it, where its log of changes has no room.
    with suppress(SandboxError), running(small.parent) as endpoint:
        client = s3.client(endpoint)
        for bucket in ("source", "staging"):
            client.create_bucket(Bucket=bucket)
        body = "\n".join(line(sessionId=number, song=f"{number:0200}") for number in range(LINES))
        client.put_object(Bucket="source", Key=FILE, Body=body.encode())
        _run(endpoint, "tables", "create")
        fill = small / "fill"
        fill.write_bytes(bytes(shutil.disk_usage(small).free - 100_000))
        full = _run(endpoint, *day)
        fill.unlink()
    with running(small.parent) as endpoint:
        staged = _staged(endpoint)
        again = _run(endpoint, *day)
        json.dump((full, staged, again, _staged(endpoint)), sys.stdout)


def _run(endpoint: Endpoint, *arguments: str) -> dict[str, Any]:
    environment = {
        **endpoint.env,
        "SPARKIFY_SOURCE": "s3://source",
        "SPARKIFY_STAGING": "s3://staging",
        "SPARKIFY_COPY_ROLE": "default",
    }
    return vars(command.run(arguments, environment))


def _staged(endpoint: Endpoint) -> list[list[Any]]:
    with closing(warehouse.connect(endpoint)) as connection:
        connection.autocommit = False
        return rows(
            connection,
            "select (select count(*) from staging_events), (select count(*) from staging_versions)",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
