"""What the sandbox's clients are told when a disk is full, and that no statement is half done.

A folder of its PostgreSQL has a small file system of its own, in a mount namespace.
"""

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redshift_connector

from redshift_sandbox import Endpoint, SandboxError, running
from tests.sandbox.test_wire_life import asked, namespace_with

pytestmark = pytest.mark.sandbox_only

ROOT = Path(__file__).parents[2]


def in_a_namespace(folder: str, size: str, state: Path) -> Any:
    """What main() prints there."""
    done = subprocess.run(
        namespace_with(f"exec '{sys.executable}' -m tests.sandbox.test_full_disk {folder} {size} '{state}'"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_full_disk_is_reported_in_one_line_and_nothing_is_half_done(tmp_path: Path) -> None:
    failure, ended, rows = in_a_namespace("base", "80m", tmp_path / "state")
    assert (failure["S"], failure["C"], failure["M"]) == ("ERROR", "53100", "Disk Full")
    assert ended is None
    assert rows.bit_count() == 1  # whole doublings only


def test_without_room_for_its_log_of_changes_the_sandbox_ends_and_its_next_start_goes_on(
    tmp_path: Path,
) -> None:
    failure, ended, rows = in_a_namespace("pg_wal", "40m", tmp_path / "state")
    assert "server socket closed" in failure
    assert re.fullmatch(r"redshift-sandbox: PostgreSQL ended: .*: No space left on device", ended), ended
    assert rows.bit_count() == 1


def main(folder: str, size: str, state: Path) -> None:
    """In the namespace: double a table's rows until there is no room, then make room and count them."""
    with running(state) as endpoint, asked(endpoint) as cursor:
        cursor.execute("create table words (word varchar(1000))")
        cursor.execute("insert into words values (%s)", ("x" * 1000,))
    small = state / "postgres" / "data" / folder
    onto_a_file_system_of(size, small)
    ended = None
    try:
        with running(state) as endpoint, asked(endpoint) as cursor:
            failure = doubled_until_it_fails(cursor)
            if folder == "pg_wal":
                wait_until_nobody_answers(endpoint)
    except SandboxError as error:
        ended = str(error)
    # With all said: what a file system of a user who is not root is, mount does not look up.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "remount,size=400m", "tmpfs", small], check=True)
    with running(state) as endpoint, asked(endpoint) as cursor:
        cursor.execute("select count(*) from words")
        json.dump((failure, ended, cursor.fetchone()[0]), sys.stdout)


def onto_a_file_system_of(size: str, folder: Path) -> None:
    """Give a folder and what it holds a small file system of its own, in the namespace."""
    moved = folder.with_name(f"{folder.name}.moved")
    folder.rename(moved)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    subprocess.run(["cp", "-a", f"{moved}/.", folder], check=True)


def doubled_until_it_fails(cursor: Any) -> Any:
    try:
        while True:
            cursor.execute("insert into words select word from words")
    except (redshift_connector.ProgrammingError, redshift_connector.InterfaceError) as error:
        return error.args[0]


def wait_until_nobody_answers(endpoint: Endpoint) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection((endpoint.host, endpoint.port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
