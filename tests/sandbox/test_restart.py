"""A container that is killed and started again on the same state: nothing of the first stands in the way.

Its processes have the same few numbers each time, so what the files of the first say of its processes is
true of others in the second.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redshift_connector

from redshift_sandbox import Endpoint, running

pytestmark = pytest.mark.sandbox_only


def test_files_that_name_another_process_do_not_keep_it_from_starting(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    postgres = tmp_path / "postgres"
    number = os.getpid()  # alive, of the same user, and no PostgreSQL
    (postgres / "data" / "postmaster.pid").write_text(
        f"{number}\n{postgres / 'data'}\n1\n5432\n{postgres}\n\n"
    )
    (postgres / ".s.PGSQL.5432.lock").write_text(f"{number}\n{postgres / 'data'}\n1\n5432\n{postgres}\n\n")
    with running(tmp_path):
        pass


def test_data_that_a_mount_opened_to_the_group_is_closed_again(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    (tmp_path / "postgres" / "data").chmod(0o2770)
    with running(tmp_path):
        pass


def test_a_container_that_is_killed_comes_up_by_itself_with_what_was_committed(tmp_path: Path) -> None:
    unshare = (shutil.which("unshare") or "unshare", "-Urpf", "--mount-proc", "--kill-child")
    try:
        subprocess.run((*unshare, "true"), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("namespaces for processes are not available")
    for start in range(1, 4):
        with subprocess.Popen(
            (
                *unshare,
                sys.executable,
                "-m",
                "redshift_sandbox",
                "serve",
                "--state",
                tmp_path,
                "--bucket",
                "data",
            ),
            stdout=subprocess.PIPE,
            text=True,
        ) as container:
            try:
                assert container.stdout is not None
                endpoint = Endpoint.from_json(container.stdout.readline())
                assert endpoint.process_id == 1
                with redshift_connector.connect(
                    host=endpoint.host,
                    port=endpoint.port,
                    database="dev",
                    user=endpoint.user,
                    password=endpoint.password,
                    ssl=False,
                ) as connection:
                    cursor = connection.cursor()
                    cursor.execute("create table if not exists starts (number integer)")
                    cursor.execute(f"insert into starts values ({start})")
                    connection.commit()
                    cursor.execute("insert into starts values (0)")  # never committed
                    cursor.execute("select count(*), max(number) from starts where number > 0")
                    assert cursor.fetchone() == [start, start]
                    container.send_signal(signal.SIGKILL)
                    container.wait(30)
            finally:
                container.kill()
