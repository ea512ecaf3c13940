"""`sparkify tables create` and `sparkify tables drop`: the schema."""

import argparse
import re

from sparkify import warehouse
from sparkify.errors import UsageError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statements

# The view is made from the tables, so it comes after them and goes before them.
_FOLDERS = ("locks/*", "staging/*", "star/*", "ledger/*")


def create(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Create every table and view that is not there yet, in one transaction."""
    made = _lasting(settings)

    def work(transaction: warehouse.Transaction) -> None:
        for each in made:
            transaction.execute(each.name)

    warehouse.write(settings, log, None, work)
    log.info("tables are there", tables=len(made))


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
