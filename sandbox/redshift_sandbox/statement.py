"""One statement of a client, as the session gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "query",  # SELECT, INSERT, UPDATE, DELETE, MERGE and everything else that makes a snapshot
    "definition",  # CREATE, ALTER, DROP
    "utility",  # SET, SHOW, ANALYZE and other statements that change no row
    "vacuum",  # refused within a transaction block
    "truncate",  # the transaction is committed after it
    "lock",
    "begin",
    "commit",
    "rollback",
    "copy",  # `sql` is the original text: for copy.run_copy
    "sandbox",  # CALL sandbox.…: `sql` is the original text
    "empty",
]


@dataclass(frozen=True)
class Statement:
    """One statement, ready for the backend.

    `sql` is PostgreSQL's text, except where the kind says otherwise. `command_tag` is what CommandComplete
    must say where PostgreSQL's own tag would differ.
    """

    kind: Kind
    sql: str
    command_tag: str | None = None
    original: str = ""
