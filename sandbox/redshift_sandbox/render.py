"""Syntax trees as PostgreSQL's text."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.generators.postgres import PostgresGenerator

from redshift_sandbox import datatypes


class _PostgreSQL(Postgres):
    class Generator(PostgresGenerator):
        def datatype_sql(self, expression: exp.DataType) -> str:
            return datatypes.of(expression, in_cast=True).postgresql


_POSTGRESQL = _PostgreSQL()


def text(node: exp.Expr) -> str:
    """The node as PostgreSQL's SQL."""
    return _POSTGRESQL.generate(node, copy=False, normalize_functions=False)
