"""What `sparkify stage` says when a disk of the sandbox is full, and that nothing is half loaded.

The sandbox's S3 server, or the tables of its PostgreSQL, have a small file system in a mount namespace.
"""

import json
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from laptop import warehouse
from redshift_sandbox import Endpoint, running
from tests import command, s3
from tests.sandbox.test_full_disk import onto_a_file_system_of
from tests.sandbox.test_wire_life import namespace_with
from tests.worker.staging import DAY, FILE, line, rows

ROOT = Path(__file__).parents[2]
LINES = 20_000


@pytest.mark.parametrize(
    ("folder", "room", "message"),
    [
        (
            "s3",
            100_000,
            r"rows/part-00000\.zst: cannot write it: 500 Internal Server Error \(InternalError: ",
        ),
        ("postgres/data/base", 4_000_000, r'reason="Disk Full \(53100\); make room in the warehouse"'),
    ],
    ids=["s3", "postgres"],
)
def test_a_full_disk_may_be_tried_again_and_nothing_is_half_loaded(
    folder: str, room: int, message: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        namespace_with(
            f"exec '{sys.executable}' -m tests.worker.test_full_disk '{tmp_path / 'state'}' {folder} {room}"
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


def main(state: Path, folder: str, room: int) -> None:
    """In the namespace: stage a day with so many bytes of room, which are too few, and again with more."""
    day = ("stage", "events", "--date", DAY)
    with running(state) as endpoint:
        client = s3.client(endpoint)
        for bucket in ("source", "staging"):
            client.create_bucket(Bucket=bucket)
        body = "\n".join(line(sessionId=number, song=f"{number:0200}") for number in range(LINES))
        client.put_object(Bucket="source", Key=FILE, Body=body.encode())
        _run(endpoint, "tables", "create")
    small = state / folder
    onto_a_file_system_of("150m", small)
    fill = small / "fill"
    with running(state) as endpoint:
        fill.write_bytes(bytes(shutil.disk_usage(small).free - room))
        full = _run(endpoint, *day)
        fill.unlink()
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
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
