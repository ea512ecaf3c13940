"""`sparkify tables create`, `grant` and `drop`: the schema, and who may do what in it."""

import argparse

from sparkify import warehouse
from sparkify.errors import UsageError
from sparkify.log import Log
from sparkify.schema import ROLES, additions, kind_and_name, lasting, rights
from sparkify.settings import Settings

# Whoever has some right on a table, but not the right to give it, is only warned: privilege_not_revoked,
# privilege_not_granted (PostgreSQL documentation, appendix A and GRANT).
_WITHOUT_EFFECT = {"01006", "01007"}


def create(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Create every table and view that is not there yet, and every column of a table, in one transaction.

    A table that is there keeps its rows, which have the default or null in the columns that are new. Nothing
    else of it is changed: neither a type, nor a key, nor a column that no create.sql names any more.

    Raises:
        DataError: a column that is not there may not be null and has no default.
    """
    made = lasting(settings.sql)

    def work(transaction: warehouse.Transaction) -> list[str]:
        before = _columns(transaction)
        added = []
        for each in made:
            # A view may need a column that is new: tables come first.
            for column, alter in additions(each, before).items():
                transaction.run(alter)
                added.append(column)
            transaction.execute(each.name)
        return added

    added = warehouse.write(settings, log, None, work)
    log.info("tables are there", tables=len(made), columns_added=", ".join(added) or None)


def grant(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Make the roles that are not there yet, and give each its rights, in one transaction.

    Raises:
        UsageError: the user is not the one who may give them: the tables' owner, or a superuser.
    """
    given = rights(settings.sql)

    def work(transaction: warehouse.Transaction) -> None:
        there = {name for (name,) in transaction.rows("roles/select")}
        for role in ROLES:
            if role not in there:
                transaction.execute(f"roles/{role}/create")
        for each in given:
            transaction.execute(each.name)
            if transaction.warnings & _WITHOUT_EFFECT:
                raise UsageError(
                    f"warehouse: user {settings.user} may not run sql/{each.name}.sql: the "
                    "owner of the tables or a superuser may"
                )

    warehouse.write(settings, log, None, work)
    log.info("rights are given", roles=", ".join(ROLES))


def drop(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Drop every table and view, in one transaction.

    Raises:
        UsageError: without --yes.
    """
    if not args.yes:
        raise UsageError("tables drop: removes every table with its rows; say --yes if you mean it")
    made = lasting(settings.sql)

    def work(transaction: warehouse.Transaction) -> None:
        for each in reversed(made):
            kind, name = kind_and_name(each)
            transaction.run(f"drop {kind} if exists {name}")

    warehouse.write(settings, log, None, work)
    log.info("tables are gone", tables=len(made))


def _columns(transaction: warehouse.Transaction) -> dict[str, set[str]]:
    """The columns that each table of the current schema has now."""
    columns: dict[str, set[str]] = {}
    for table, column in transaction.rows("ledger/columns/select"):
        columns.setdefault(table, set()).add(column)
    return columns
