"""Failures on demand, and the log of the statements that clients ran.

Both are the sandbox's own: `CALL sandbox.fault('{…}')` arms a fault, `CALL sandbox.clear_faults()` removes
those armed from the same database, and the view `sandbox.statements` reads the log.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from redshift_sandbox.backend import conflict, serialization_failure
from redshift_sandbox.errors import RedshiftError
from redshift_sandbox.postgres import literal

_LARGEST_LOG = 32 * 1024 * 1024
_LONGEST_SQL = 20_000  # characters
_SECRET = re.compile(
    r"((?:aws_)?secret_access_key|access_key_id|session_token|password|credentials)(\s*(?:as\s+|=\s*)?\s*)"
    r"'(?:[^']|'')*(?:'|$)",
    re.IGNORECASE,
)
_COMMIT = re.compile(r"\s*(?:commit|end)\b", re.IGNORECASE)


_COLUMNS = {
    "number": "bigint",
    "ended": "timestamp",
    "seconds": "double precision",
    "database": "varchar",
    "user_name": "varchar",
    "application": "varchar",
    "connection": "integer",
    "sql": "varchar",
    "command_tag": "varchar",
    "sqlstate": "varchar",
    "fault": "varchar",
}


_VIEW = r"""
create schema if not exists sandbox;
grant usage on schema sandbox to public;
create or replace function sandbox.logged_lines() returns setof jsonb
language sql security definer set search_path = pg_catalog as $lines$
    select line::jsonb from string_to_table(pg_read_file({file}), E'\n') as line where line <> ''
$lines$;
create or replace view sandbox.statements as select {columns} from sandbox.logged_lines() as line;
grant select on sandbox.statements to public;
"""


class Fault(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What shall go wrong, and for which statement.

    Statements are counted from when the fault is armed, those only that all of `match`, `application`,
    `database` and `connection` fit; the `nth` (from 1) of them is struck, and `times - 1` after it.
    """

    action: Literal["drop", "lose_commit", "serialization_failure", "conflict", "error", "delay"]
    when: Literal["before", "during", "after"] = "before"
    nth: int = 1
    times: int = 1
    match: str | None = None
    application: str | None = None
    database: str | None = None
    connection: int | None = None
    seconds: float = 0.0
    sqlstate: str = "XX000"
    message: str = "a fault that was asked for"

    def __post_init__(self) -> None:
        if self.nth < 1 or self.times < 1:
            raise ValueError("nth and times count from 1")
        if self.when != "before" and self.action != "drop":
            raise ValueError("only a drop can come during or after the statement")
        if (self.action == "delay" or self.when == "during") and self.seconds <= 0:
            raise ValueError("how many seconds? More than 0")
        for pattern in (self.match, self.application):
            if pattern is not None:
                re.compile(pattern)

    @property
    def takes_the_answer(self) -> bool:
        """Whether the client hears nothing of the statement, neither of its start nor of its end."""
        return self.action == "lose_commit" or (self.action == "drop" and self.when != "during")

    def error(self, process_id: int) -> RedshiftError | None:
        """What the statement raises instead of being run; None for a fault that is not an error."""
        match self.action:
            case "serialization_failure":
                return serialization_failure(process_id)
            case "conflict":
                return conflict()
            case "error":
                return RedshiftError(self.sqlstate, self.message)
            case _:
                return None


@dataclass(frozen=True)
class Origin:
    """Where a statement comes from."""

    database: str
    user: str
    application: str
    connection: int


class Faults:
    """The faults that are armed, with how many statements each has seen."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, list[int]]] = []

    def arm(self, text: str, database: str) -> None:
        """Arm the fault that a JSON object describes. Raises RedshiftError for anything else."""
        try:
            fault = msgspec.json.decode(text, type=Fault)
        except (msgspec.DecodeError, re.error, ValueError) as error:
            raise RedshiftError("22023", f"sandbox.fault: {error}") from None
        if fault.database is None:
            fault = msgspec.structs.replace(fault, database=database)
        self._armed.append((fault, [0]))

    def clear(self, database: str) -> None:
        self._armed = [(fault, seen) for fault, seen in self._armed if fault.database != database]

    def strike(self, sql: str, origin: Origin) -> Fault | None:
        """The fault that this statement is to suffer, if any; every armed fault counts it."""
        struck = None
        for fault, seen in self._armed:
            if not _concerns(fault, sql, origin):
                continue
            seen[0] += 1
            if struck is None and fault.nth <= seen[0] < fault.nth + fault.times:
                struck = fault
        if struck is not None:
            self._armed = [
                (fault, seen) for fault, seen in self._armed if seen[0] < fault.nth + fault.times - 1
            ]
        return struck


def _concerns(fault: Fault, sql: str, origin: Origin) -> bool:
    if fault.database != origin.database:
        return False
    if fault.connection is not None and fault.connection != origin.connection:
        return False
    if fault.application is not None and not re.search(fault.application, origin.application):
        return False
    if fault.action == "lose_commit" and not _COMMIT.match(sql):
        return False
    return fault.match is None or re.search(fault.match, sql, re.IGNORECASE) is not None


class StatementLog:
    """A file with one JSON object a line, one for each statement that ended; made anew at each start.

    PostgreSQL reads it for the view `sandbox.statements`, so logging costs a statement one write.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._number = 0
        self._descriptor = self._open()

    def add(
        self,
        origin: Origin,
        sql: str,
        seconds: float,
        tag: str | None = None,
        sqlstate: str | None = None,
        fault: str | None = None,
    ) -> None:
        """Log a statement that ended: with its command tag, its error's SQLSTATE, or neither when dropped."""
        self._number += 1
        line = json.dumps(
            {
                "number": self._number,
                "ended": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds"),
                "seconds": round(seconds, 6),
                "database": origin.database,
                "user_name": origin.user,
                "application": origin.application,
                "connection": origin.connection,
                "sql": without_secrets(sql),
                "command_tag": tag,
                "sqlstate": sqlstate,
                "fault": fault,
            }
        )
        if os.write(self._descriptor, line.encode() + b"\n") and self._number % 1000 == 0:
            self._keep_small()

    def close(self) -> None:
        os.close(self._descriptor)

    def view(self) -> str:
        """SQL that creates the view `sandbox.statements`."""
        columns = ", ".join(f"(line ->> '{name}')::{kind} as {name}" for name, kind in _COLUMNS.items())
        return _VIEW.format(columns=columns, file=literal(str(self.file)))

    def _open(self) -> int:
        # PostgreSQL reads it, which may run as another user; nobody else may enter the folder.
        return os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)

    def _keep_small(self) -> None:
        if os.fstat(self._descriptor).st_size <= _LARGEST_LOG:
            return
        newest = self.file.read_bytes()[-_LARGEST_LOG // 2 :]
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, newest[newest.index(b"\n") + 1 :])


def without_secrets(sql: str) -> str:
    """A statement as it may be logged: not too long, and without keys and passwords."""
    return _SECRET.sub(r"\1\2'***'", sql[:_LONGEST_SQL])
