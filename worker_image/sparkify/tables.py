"""`sparkify tables create`, `grant` and `drop`: the schema, and who may do what in it."""

import argparse
import re
from collections.abc import Mapping

from sparkify import warehouse
from sparkify.errors import DataError, UsageError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statements

_ROLES = ("sparkify_loader", "sparkify_reader")
# Whoever has some right on a table, but not the right to give it, is only warned: privilege_not_revoked,
# privilege_not_granted (PostgreSQL documentation, appendix A and GRANT).
_WITHOUT_EFFECT = {"01006", "01007"}

# The view is made from the tables, so it comes after them and goes before them.
_FOLDERS = ("locks/*", "staging/*", "star/*", "ledger/*")


def create(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Create every table and view that is not there yet, and every column of a table, in one transaction.

    A table that is there keeps its rows, which have the default or null in the columns that are new. Nothing
    else of it is changed: neither a type, nor a key, nor a column that no create.sql names any more.

    Raises:
        DataError: a column that is not there may not be null and has no default.
    """
    made = _lasting(settings)

    def work(transaction: warehouse.Transaction) -> list[str]:
        before = _columns(transaction)
        added = []
        for each in made:
            # A view may need a column that is new: tables come first.
            for column, definition in _lacking(each, before):
                table = _kind_and_name(each)[1]
                if "not null" in definition and " default " not in definition:
                    raise DataError(
                        f"the table {table} has no column {column}, which may not be null: its rows would "
                        f"have no value; give it a default in sql/{each.name}.sql, or make the table anew"
                    )
                transaction.run(f"alter table {table} add column {column} {definition}")
                added.append(f"{table}.{column}")
            transaction.execute(each.name)
        return added

    added = warehouse.write(settings, log, None, work)
    log.info("tables are there", tables=len(made), columns_added=", ".join(added) or None)


def grant(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Make the roles that are not there yet, and give each its rights, in one transaction.

    Raises:
        UsageError: the user is not the one who may give them: the tables' owner, or a superuser.
    """
    rights = list(statements(settings.sql, "roles/*/grant_*.sql"))
    rights += statements(settings.sql, "roles/*/revoke_*.sql")

    def work(transaction: warehouse.Transaction) -> None:
        there = {name for (name,) in transaction.rows("roles/select")}
        for role in _ROLES:
            if role not in there:
                transaction.execute(f"roles/{role}/create")
        for each in rights:
            transaction.execute(each.name)
            if transaction.warnings & _WITHOUT_EFFECT:
                raise UsageError(
                    f"warehouse: user {settings.user} may not run sql/{each.name}.sql: the "
                    "owner of the tables or a superuser may"
                )

    warehouse.write(settings, log, None, work)
    log.info("rights are given", roles=", ".join(_ROLES))


def drop(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Drop every table and view, in one transaction.

    Raises:
        UsageError: without --yes.
    """
    if not args.yes:
        raise UsageError("tables drop: removes every table with its rows; say --yes if you mean it")
    made = _lasting(settings)

    def work(transaction: warehouse.Transaction) -> None:
        for each in reversed(made):
            kind, name = _kind_and_name(each)
            transaction.run(f"drop {kind} if exists {name}")

    warehouse.write(settings, log, None, work)
    log.info("tables are gone", tables=len(made))


def _columns(transaction: warehouse.Transaction) -> dict[str, set[str]]:
    """The columns that each table of the current schema has now."""
    columns: dict[str, set[str]] = {}
    for table, column in transaction.rows("ledger/columns/select"):
        columns.setdefault(table, set()).add(column)
    return columns


def _lacking(create: Statement, there: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Column and definition of what a table that is there lacks; each stands on a line of its own."""
    kind, name = _kind_and_name(create)
    if kind == "view" or name.strip('"') not in there:
        return []
    return [
        (column, rest)
        for column, rest in create.defined_columns
        if column.strip('"') not in there[name.strip('"')]
    ]


def _lasting(settings: Settings) -> list[Statement]:
    """The create statements, but for those of temporary tables; views last."""
    found = [each for folder in _FOLDERS for each in statements(settings.sql, f"{folder}/create.sql")]
    lasting = [each for each in found if "create temp table" not in each.text]
    return sorted(lasting, key=lambda each: _kind_and_name(each)[0] == "view")


def _kind_and_name(create: Statement) -> tuple[str, str]:
    match = re.search(
        r'^create (?:or replace )?(table|view) (?:if not exists )?("?\w+"?)', create.text, re.MULTILINE
    )
    if not match:
        raise ValueError(f"{create.name}: neither a table nor a view is created")
    return match[1], match[2]
