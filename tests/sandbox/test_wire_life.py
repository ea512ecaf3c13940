"""The sandbox as a process: how it starts, what it keeps, how it stops, what it says when it cannot start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redshift_connector

from redshift_sandbox import Endpoint, SandboxError, running
from tests.sandbox.wire_client import WireClient, error

pytestmark = pytest.mark.sandbox_only

SERVE = (sys.executable, "-m", "redshift_sandbox", "serve")


@contextmanager
def asked(endpoint: Endpoint) -> Iterator[Any]:
    """A cursor in autocommit mode, without TLS, so that no environment matters."""
    with closing(
        redshift_connector.connect(
            host=endpoint.host,
            port=endpoint.port,
            database=endpoint.database,
            user=endpoint.user,
            password=endpoint.password,
            ssl=False,
        )
    ) as connection:
        connection.autocommit = True
        yield connection.cursor()


def processes(state: Path) -> list[int]:
    """The processes that have the state folder in their command line; needs /proc."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("processes are looked up in /proc, which this system does not have")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(state) in command:
                found.append(int(entry.name))
    return found


def wait_until_gone(state: Path) -> None:
    deadline = time.monotonic() + 20
    while processes(state):
        assert time.monotonic() < deadline, f"left behind: {processes(state)}"
        time.sleep(0.05)


def test_it_keeps_its_tables_its_password_and_its_authority(tmp_path: Path) -> None:
    with running(tmp_path) as first, asked(first) as cursor:
        cursor.execute("create table plays (number integer)")
        cursor.execute("insert into plays values (7)")
        authority = Path(first.ca_file).read_bytes()
    assert processes(tmp_path) == []
    with running(tmp_path) as second, asked(second) as cursor:
        cursor.execute("select number from plays")
        assert cursor.fetchall() == ([7],)
        assert second.password == first.password
        assert second.env["AWS_SECRET_ACCESS_KEY"] == first.env["AWS_SECRET_ACCESS_KEY"]
        assert Path(second.ca_file).read_bytes() == authority


def test_killed_it_leaves_no_process_and_the_next_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as endpoint:
        with asked(endpoint) as cursor:
            cursor.execute("create table plays (number integer)")
            cursor.execute("insert into plays values (7)")
        os.kill(endpoint.process_id, signal.SIGKILL)
        with running(tmp_path) as next_one, asked(next_one) as cursor:
            cursor.execute("select number from plays")
            assert cursor.fetchall() == ([7],)
    wait_until_gone(tmp_path)


def test_when_all_its_processes_are_killed_what_was_committed_is_there(tmp_path: Path) -> None:
    with running(tmp_path) as endpoint:
        with asked(endpoint) as cursor:
            cursor.execute("create table plays (number integer)")
            cursor.execute("insert into plays values (7)")
            cursor.execute("begin")
            cursor.execute("insert into plays values (8)")
            for process_id in processes(tmp_path):
                os.kill(process_id, signal.SIGKILL)
        wait_until_gone(tmp_path)
    with running(tmp_path) as endpoint, asked(endpoint) as cursor:
        cursor.execute("select number from plays")
        assert cursor.fetchall() == ([7],)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_tells_the_clients(tmp_path: Path, stop: signal.Signals) -> None:
    with subprocess.Popen(
        (*SERVE, "--state", tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        endpoint = Endpoint.from_json(process.stdout.readline())
        with WireClient(endpoint, endpoint.database) as client:
            process.send_signal(stop)
            assert process.wait(30) == 0
            assert error([client.receive()]) == (
                "57P01",
                "terminating connection due to administrator command",
            )
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert processes(tmp_path) == []


def test_it_stops_when_its_standard_input_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        (*SERVE, "--state", tmp_path, "--stop-with-stdin"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["database"] == "dev"
        process.stdin.close()
        assert process.wait(30) == 0
    assert processes(tmp_path) == []


def test_it_starts_with_an_empty_home_and_leaves_it_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with running(tmp_path / "state"):
            pass
    assert list(home.iterdir()) == []


def test_a_state_folder_with_a_very_long_path_works(tmp_path: Path) -> None:
    state = tmp_path / ("a folder with spaces" * 8) / "state"
    with running(state) as endpoint, asked(endpoint) as cursor:
        cursor.execute("select 1")
        assert cursor.fetchall() == ([1],)


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("Chosen1ByMe\n")
    with running(tmp_path / "state", password_file=file) as endpoint, asked(endpoint) as cursor:
        assert endpoint.password == "Chosen1ByMe"
        cursor.execute("select 1")


def test_two_sandboxes_on_one_state_folder_are_refused(sandbox: Endpoint) -> None:
    state = Path(sandbox.ca_file).parents[1]
    with pytest.raises(SandboxError, match=f"another sandbox runs on {state}"), running(state):
        pass


def test_that_it_crashed_is_said_at_the_end_of_its_context(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"^it ended with exit code -11$"), running(tmp_path) as endpoint:
        os.kill(endpoint.process_id, signal.SIGSEGV)


@pytest.mark.parametrize("option", ["port", "s3_port"])
def test_a_port_that_is_taken_is_named_in_one_line(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            (*SERVE, "--state", tmp_path, f"--{option.replace('_', '-')}", str(port)),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (result.stdout, result.stderr, result.returncode) == (
        "",
        f"redshift-sandbox: cannot listen on 127.0.0.1 port {port}: Address already in use\n",
        1,
    )
    assert processes(tmp_path) == []


def test_a_state_folder_that_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = subprocess.run(
        (*SERVE, "--state", tmp_path / "file" / "state"), capture_output=True, text=True, timeout=60
    )
    assert (result.stdout, result.returncode) == ("", 1)
    assert result.stderr == f"redshift-sandbox: {tmp_path}/file/state: Not a directory\n"


def namespace_with(*commands: str) -> list[str]:
    """A shell as root of its own user and mount namespaces, that runs these commands."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("user namespaces are not available")
    return [unshare, "-Urm", "sh", "-ec", "; ".join(commands)]


def test_root_without_user_namespaces_is_told_what_to_do(tmp_path: Path) -> None:
    # In this namespace no other user exists, and it may not have namespaces of its own.
    result = subprocess.run(
        namespace_with(
            "echo 0 > /proc/sys/user/max_user_namespaces",
            f"exec '{sys.executable}' -m redshift_sandbox serve --state '{tmp_path}'",
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.stdout, result.returncode) == ("", 1)
    assert result.stderr.startswith(
        "redshift-sandbox: PostgreSQL does not run as root, user namespaces are not"
    )
    assert len(result.stderr.splitlines()) == 1


# As in a container: root of a namespace with all users, which may have no namespaces of its own.
CONTAINER = """
import ctypes, os, sys
ready, make_ready = os.pipe()
mapped, make_mapped = os.pipe()
child = os.fork()
if child == 0:
    os.write(make_ready, b"." if ctypes.CDLL(None).unshare(0x10000000) == 0 else b"!")
    os.read(mapped, 1)
    os.setuid(0)
    with open("/proc/sys/user/max_user_namespaces", "w") as limit:
        limit.write("0")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
if os.read(ready, 1) != b".":
    sys.exit(77)
for kind in ("uid", "gid"):
    with open(f"/proc/{child}/{kind}_map", "w") as map_of_numbers:
        map_of_numbers.write("0 0 65536")
os.write(make_mapped, b".")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

ASK = """
import sys
from pathlib import Path
import redshift_connector
from redshift_sandbox import running
for _ in range(2):
    with running(Path(sys.argv[1])) as endpoint:
        connection = redshift_connector.connect(
            host=endpoint.host, port=endpoint.port, database="dev", user=endpoint.user,
            password=endpoint.password, ssl=False,
        )
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("create table if not exists plays (number integer)")
        cursor.execute("insert into plays values (1)")
        cursor.execute("select (select count(*) from plays), count(*) from sandbox.statements")
        print(*cursor.fetchone())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give itself all user numbers in a namespace")
def test_root_without_user_namespaces_runs_postgresql_as_nobody() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        result = subprocess.run(
            (sys.executable, "-c", CONTAINER, "-c", ASK, f"{folder}/state"),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if result.returncode == 77:
            pytest.skip("user namespaces are not available")
        assert (result.stderr, result.stdout) == ("", "1 2\n2 2\n")
        assert Path(folder, "state", "postgres").owner() == "nobody"


@pytest.mark.parametrize("number", [1, 1_234_567])
def test_another_user_than_root_needs_nothing_special_not_even_a_name(tmp_path: Path, number: int) -> None:
    unshare = (shutil.which("unshare") or "unshare", "-U", f"--map-user={number}", f"--map-group={number}")
    try:
        subprocess.run((*unshare, "true"), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("user namespaces are not available")
    result = subprocess.run(
        (*unshare, *SERVE, "--state", tmp_path, "--stop-with-stdin"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.stderr, result.returncode) == ("", 0)
    assert json.loads(result.stdout)["user"] == "awsuser"
