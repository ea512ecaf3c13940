"""The statements that make the schema and the rights in it, for whoever runs them and whatever by."""

import re
from collections.abc import Mapping
from pathlib import Path

from sparkify.errors import DataError
from sparkify.statements import Statement, statements

ROLES = ("sparkify_loader", "sparkify_reader")

# The view is made from the tables, so it comes after them and goes before them.
_FOLDERS = ("locks/*", "staging/*", "star/*", "ledger/*")


def lasting(sql: Path) -> list[Statement]:
    """The create statements, but for those of temporary tables; views last."""
    found = [each for folder in _FOLDERS for each in statements(sql, f"{folder}/create.sql")]
    lasting = [each for each in found if "create temp table" not in each.text]
    return sorted(lasting, key=lambda each: kind_and_name(each)[0] == "view")


def rights(sql: Path) -> list[Statement]:
    """The statements that give the roles their rights, and take from everybody else what nobody needs."""
    return [*statements(sql, "roles/*/grant_*.sql"), *statements(sql, "roles/*/revoke_*.sql")]


def additions(create: Statement, there: Mapping[str, set[str]]) -> dict[str, str]:
    """`table.column` → the statement that adds it, for each column that a table that is there lacks.

    `there` are the columns that each table has now. Each column stands on a line of its own.

    Raises:
        DataError: a column that is not there may not be null and has no default.
    """
    kind, table = kind_and_name(create)
    if kind == "view" or table.strip('"') not in there:
        return {}
    added = {}
    for column, definition in create.defined_columns:
        if column.strip('"') in there[table.strip('"')]:
            continue
        if "not null" in definition and " default " not in definition:
            raise DataError(
                f"the table {table} has no column {column}, which may not be null: its rows would "
                f"have no value; give it a default in sql/{create.name}.sql, or make the table anew"
            )
        added[f"{table}.{column}"] = f"alter table {table} add column {column} {definition}"
    return added


def kind_and_name(create: Statement) -> tuple[str, str]:
    match = re.search(
        r'^create (?:or replace )?(table|view) (?:if not exists )?("?\w+"?)', create.text, re.MULTILINE
    )
    if not match:
        raise ValueError(f"{create.name}: neither a table nor a view is created")
    return match[1], match[2]
