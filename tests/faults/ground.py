"""What the fault matrix stands on: a warehouse before each step, and what a clean run makes of it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import redshift_connector

from redshift_sandbox import Endpoint
from redshift_sandbox.backend import Backend
from tests import s3
from tests.faults.s3_proxy import Request, S3Proxy
from tests.lines import EVENT, SONG
from tests.star.conftest import day_key
from tests.star.test_meaning import as_file, event

EARLIER, DAY = "2018-11-01", "2018-11-02"
STEPS = {
    "stage songs": ("stage", "songs"),
    "stage events": ("stage", "events", "--date", DAY),
    "load": ("load", "--date", DAY),
    "check": ("check", "--date", DAY),
}
SOURCE, STAGING = "source", "staging"
FILES = {"stage events": day_key(DAY), "stage songs": "song_data/A/B/C/TR0.json"}
READER, PASSWORD = "somebody_who_reads", "Abcd1234"

# What a run makes of its own, by column. Everything else must be the same.
CLOCK = {"checked_at", "loaded_at", "staged_at"}
# A stage's version is a random name: what is kept is whether it is that of the day's newest stage. A song's
# file keeps the version of the stage that read it, which a repeated stage does not read again.
VERSION = "version"
# So is a load's: what is kept is whether the ledger knows it.
LOAD = "load_id"
# Names of objects of which the version is a part.
OBJECTS = {"raw_object", "part"}
# A history of commits: a load whose worker died after its COMMIT is committed once more by the retry.
HISTORIES = {"loads"}

Rows = Counter[str]
Fingerprint = dict[str, Rows]

_STAR = " union all ".join(
    f"select '{table}' as name, {columns} as content from {table}"
    for table, columns in {
        "songplays": "songplay_id || coalesce(song_id, '-') || user_id || level || start_time::varchar",
        "users": "user_id || first_name || level",
        "songs": "song_id || title || artist_id",
        "artists": "artist_id || name",
        '"time"': "start_time::varchar || hour::varchar",
    }.items()
)


def line(day: str, session: int, **fields: Any) -> dict[str, Any]:
    return event(day, sessionId=session, **fields)


def song(number: int, **fields: Any) -> dict[str, Any]:
    return {**SONG, "song_id": f"SO{number}", "artist_id": f"AR{number}", "artist_name": EVENT["artist"]} | {
        "title": EVENT["song"],
        "duration": EVENT["length"],
        **fields,
    }


BAD = b'{"page": "NextSong"}\n'
BEFORE = {
    day_key(EARLIER): as_file([line(EARLIER, 1), line(EARLIER, 2, userId="9", firstName="Ann")]),
    day_key(DAY): as_file([line(DAY, 3), line(DAY, 4, userId="10"), line(DAY, 5, page="Home")]) + BAD,
    "song_data/A/B/C/TR0.json": as_file([song(0)]),
    "song_data/A/B/C/TR1.json": as_file([song(1, title="Ten Tonne")]),
    "song_data/A/B/C/TR2.json": as_file([song(2, title="Gone")]),
    "song_data/A/B/C/TR4.json": as_file([song(4, title="Same")]) + BAD,
}
# A play is corrected, one goes, one comes, one is a copy of the day before; a line says more than the
# contract knows, one is bad. Of the songs one has another title, one is new, one gone.
AFTER = {
    day_key(EARLIER): BEFORE[day_key(EARLIER)],
    day_key(DAY): as_file(
        [
            line(DAY, 3, level="paid"),
            line(EARLIER, 1),
            line(DAY, 6, userId="11", firstName="Eve", ts=EVENT["ts"] + 5, mood="good"),
        ]
    )
    + BAD
    + b"bad\n",
    "song_data/A/B/C/TR0.json": as_file([song(0, title="Another")]),
    "song_data/A/B/C/TR1.json": as_file([song(1)]) + BAD,
    "song_data/A/B/C/TR3.json": as_file([song(3, title="New")]),
    "song_data/A/B/C/TR4.json": BEFORE["song_data/A/B/C/TR4.json"],
}
# Each step's file once more, as it is when it changes while the step runs.
CHANGED = {
    day_key(DAY): AFTER[day_key(DAY)] + as_file([line(DAY, 7)]),
    "song_data/A/B/C/TR0.json": as_file([song(0, title="A third")]),
}


@dataclass
class Before:
    """A step's starting point, what it does in a clean run, and what comes out."""

    database: str  # that is copied
    star: frozenset[Any]
    statements: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    after: Fingerprint = field(default_factory=dict)
    star_after: frozenset[Any] = frozenset()
    changed: Fingerprint = field(default_factory=dict)


class Ground:
    """One sandbox with a database to copy for each step."""

    def __init__(self, sandbox: Endpoint, proxy: S3Proxy, folder: Path):
        self.sandbox = sandbox
        self.proxy = proxy
        self.client = s3.client(sandbox)
        self._folder = folder
        self._numbers = count(1)
        self._runner = asyncio.Runner()
        self._forks = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._log = Path(sandbox.ca_file).parents[1] / "postgres" / "statements.jsonl"
        self.connection = self.connect(sandbox.database)
        self._socket = self._postgres_socket()
        self._owner = self._backend("postgres")
        self.steps: dict[str, Before] = {}

    def close(self) -> None:
        assert self._forks.stdin
        self._forks.stdin.close()
        self._forks.wait()
        assert self._forks.stdout
        self._forks.stdout.close()
        self._owner.close()
        self.connection.close()
        self.client.close()
        self._runner.close()

    def begin(self) -> None:
        """Load the files as they were, correct them, and run each step once."""
        for bucket in (SOURCE, STAGING):
            self.client.create_bucket(Bucket=bucket)
        database = self.name()
        execute = self.connection.cursor().execute
        execute(f"create database {database}")
        execute(f"create user {READER} password '{PASSWORD}'")
        self._done(("tables", "create"), database)
        self._done(("tables", "grant"), database)
        execute(f"grant role sparkify_reader to {READER}")
        self.owner(f"alter role {READER} set lock_timeout = '1ms'")
        self.put(BEFORE)
        for day in (EARLIER, DAY):
            for words in STEPS.values():
                self._done([word.replace(DAY, day) for word in words], database, run="before")
        self.put(AFTER)
        for step in STEPS:
            database = self._clean(step, database)

    def _clean(self, step: str, template: str) -> str:
        """Run a step on a copy of a database, and keep how it was done; the database after it."""
        before = self.steps[step] = Before(template, self.star(template))
        database = self.name()
        self.copy(template, database)
        start = self.log_size()
        self.proxy.begin()
        self._done(STEPS[step], database)
        before.requests = sorted(self.proxy.seen)
        before.statements = [each["sql"] for each in self.logged(database, start)]
        before.after, before.star_after = self.fingerprint(database), self.star(database)
        if file := FILES.get(step):
            self.put({**AFTER, file: CHANGED[file]})
            changed = self.name()
            self.copy(template, changed)
            self._done(STEPS[step], changed)
            before.changed = self.fingerprint(changed)
            self.drop(changed)
            self.put(AFTER)
        return database

    def _done(self, arguments: Sequence[str], database: str, run: str = "faults") -> None:
        code, log = self.run(arguments, database, run=run)
        assert code == 0, log

    # The sandbox's PostgreSQL, as its owner: Redshift copies no database, and waits for no lock by a limit

    def _postgres_socket(self) -> Path:
        cursor = self.connection.cursor()
        cursor.execute(
            "select setting from pg_settings where name in ('port', 'unix_socket_directories') order by name"
        )
        (port,), (folder,) = cursor.fetchall()
        return Path(folder) / f".s.PGSQL.{port}"

    def _backend(self, database: str) -> Backend:
        backend = Backend(self._socket)
        self._runner.run(backend.sign_in(database))
        return backend

    def owner(self, sql: str) -> list[Any]:
        return self._runner.run(self._owner.query(sql))

    def copy(self, template: str, name: str) -> None:
        self.owner(f"create database {name} template {template} owner {self.sandbox.user} strategy wal_log")

    def drop(self, name: str) -> None:
        self.owner(f"drop database {name} with (force)")

    def connect(self, database: str, user: str | None = None, password: str | None = None) -> Any:
        """An autocommit connection, of the sandbox's own user if none is given."""
        connection = redshift_connector.connect(
            host=self.sandbox.host,
            port=self.sandbox.port,
            database=database,
            user=user or self.sandbox.user,
            password=password or self.sandbox.password,
        )
        connection.autocommit = True
        return connection

    # Files, runs and what they leave

    def put(self, files: dict[str, bytes]) -> None:
        """Bring the source bucket to these files."""
        for key, body in files.items():
            self.client.put_object(Bucket=SOURCE, Key=key, Body=body)
        listed = self.client.list_objects_v2(Bucket=SOURCE).get("Contents", [])
        for each in listed:
            if each["Key"] not in files:
                self.remove(each["Key"])

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=SOURCE, Key=key)

    def name(self) -> str:
        return f"case_{next(self._numbers)}"

    def run(
        self,
        arguments: Sequence[str],
        database: str,
        *,
        run: str = "faults",
        signal: int | None = None,
        nth: int | None = None,
    ) -> tuple[int, str]:
        """Run a command as a pod does; its exit code, negative for a signal, and its log."""
        log = self._folder / database
        log.unlink(missing_ok=True)
        order = {
            "arguments": [*arguments, *(["--run", run] if arguments[0] != "tables" else [])],
            "environment": {
                **self.sandbox.env,
                "AWS_ENDPOINT_URL_S3": self.proxy.endpoint,
                "SPARKIFY_WAREHOUSE_DATABASE": database,
                "SPARKIFY_SOURCE": f"s3://{SOURCE}",
                "SPARKIFY_STAGING": f"s3://{STAGING}/{database.replace('_', '-')}",
                "SPARKIFY_COPY_ROLE": "default",
                "SPARKIFY_MAX_BAD_RATIO": "1",
            },
            "log": str(log),
            "signal": signal,
            "nth": nth,
        }
        assert self._forks.stdin
        assert self._forks.stdout
        self._forks.stdin.write(json.dumps(order) + "\n")
        self._forks.stdin.flush()
        return int(self._forks.stdout.readline()), log.read_text()

    def logged(self, database: str, since: int) -> list[dict[str, Any]]:
        """The statements that ended in a database since the log was so long."""
        with self._log.open() as log:
            # The sandbox keeps the newest half of a log that became too large.
            log.seek(since if since <= self.log_size() else 0)
            lines = [json.loads(each) for each in log]
        return [each for each in lines if each["database"] == database]

    def log_size(self) -> int:
        return self._log.stat().st_size

    def arm(self, database: str, fault: dict[str, Any]) -> None:
        text = json.dumps({"database": database, "application": "^sparkify", **fault})
        self.connection.cursor().execute(f"call sandbox.fault('{text}')")

    @contextmanager
    def reader(self, database: str) -> Iterator[Reader]:
        """Somebody who reads the star all the time; a wait for a lock is an error to them."""
        with closing(self.connect(database, READER, PASSWORD)) as connection:
            reader = Reader(connection)
            thread = threading.Thread(target=reader.read)
            thread.start()
            reader.began.wait()
            try:
                yield reader
            finally:
                reader.stop.set()
                thread.join()

    def star(self, database: str) -> frozenset[Any]:
        with closing(self.connect(database, READER, PASSWORD)) as connection:
            return star(connection)

    def fingerprint(self, database: str) -> Fingerprint:
        """All tables, and of the quarantine also the bytes that it names."""
        backend = self._backend(database)
        try:
            tables = [table for (table,) in self._runner.run(backend.query(_TABLES))]
            rows = {
                table: [json.loads(str(row)) for (row,) in self._runner.run(backend.query(_rows(str(table))))]
                for table in tables
            }
        finally:
            backend.close()
        versions = {row["version"]: f"{row['source']} {row['day']}" for row in rows["staging_versions"]}
        loads = {row["load_id"] for row in rows["loads"]}
        found: Fingerprint = {}
        for table, contents in rows.items():
            kept = [json.dumps(self._kept(row, versions, loads), sort_keys=True) for row in contents]
            found[str(table)] = Counter(set(kept) if table in HISTORIES else kept)
        return found

    def _kept(self, row: dict[str, Any], versions: dict[str, str], loads: set[str]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in row.items():
            if name in CLOCK:
                continue
            if name == VERSION and row.get("source") == "songs":
                continue
            if name == VERSION:
                value = versions.get(value, "an earlier stage")
            elif name == LOAD:
                value = value in loads
            elif name in OBJECTS:
                value = re.sub(r"s3://[^/]*/case-\d+/|[0-9a-f]{32}", "*", value)
            kept[name] = value
        if "raw_object" in row:
            bucket, key = row["raw_object"].removeprefix("s3://").split("/", 1)
            first, end = row["raw_offset"], row["raw_offset"] + row["raw_length"]
            body = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
            kept["bytes"] = body[first:end].decode(errors="replace")
        return kept


_TABLES = (
    "select table_name from information_schema.tables where table_schema = 'public' "
    "and (table_type = 'BASE TABLE' or table_name = 'days_in_step') order by 1"
)


def _rows(table: str) -> str:
    return f'select to_jsonb(each)::text from "{table}" as each'


def star(connection: Any) -> frozenset[Any]:
    cursor = connection.cursor()
    cursor.execute(_STAR)
    return frozenset(Counter(tuple(row) for row in cursor.fetchall()).items())


class Reader:
    """What somebody saw, in order and each state once, and what went wrong for them."""

    def __init__(self, connection: Any):
        self.seen: list[frozenset[Any]] = []
        self.error: str | None = None
        self.began = threading.Event()
        self.stop = threading.Event()
        self._connection = connection

    def read(self) -> None:
        try:
            while True:
                last = self.stop.is_set()
                found = star(self._connection)
                if not self.seen or self.seen[-1] != found:
                    self.seen.append(found)
                self.began.set()
                if last:
                    return
                self.stop.wait(0.02)
        except redshift_connector.Error as error:
            self.error = f"a reader failed: {error}"
            self.began.set()


@contextmanager
def ground(sandbox: Endpoint, proxy: S3Proxy, folder: Path) -> Iterator[Ground]:
    """The steps of a day that is corrected, each before and after a clean run."""
    made = Ground(sandbox, proxy, folder)
    try:
        made.begin()
        yield made
    finally:
        made.close()
