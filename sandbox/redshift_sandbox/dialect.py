"""Redshift's SQL as PostgreSQL's: what both know passes, what differs is rewritten, the rest is refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sqlglot.tokenizer_core import Token, TokenType

from redshift_sandbox import commands, queries
from redshift_sandbox.statement import Statement

__all__ = ["Statement", "translate"]


@lru_cache(maxsize=4096)
def translate(sql: str) -> tuple[Statement, ...]:
    """The statements of one text, split at semicolons; parameters `$1` … stay as they are.

    Raises RedshiftError: 42601 for a syntax error, 0A000 for what is not known here, by its name.
    """
    statements = [
        commands.statement(sql[part[0].start : part[-1].end + 1], part)
        for part in _split(queries.tokens(sql))
    ]
    return tuple(statements) or (Statement("empty", "", original=sql),)


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    part: list[Token] = []
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            if part:
                yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part
