"""Keeps what the columns of a day's rows hold: for the checks of the history, and for people."""

import re
from datetime import date
from pathlib import PurePosixPath

from sparkify.statements import Statement, statement, statements
from sparkify.warehouse import Transaction

LOCK = "lock_statistics"

# Where a row comes from is no content; a SUPER has neither a least nor a greatest value.
_LEFT_OUT = re.compile(r"day|source_\w+|content_hash|load_id|rescued_data")


def take(transaction: Transaction, day: date, load_id: str) -> int:
    """Replace the day's statistics by those of what is loaded; the number of columns. Needs LOCK.

    A table has them if its folder has an insert_statistics.sql.
    """
    sql = transaction.settings.sql
    transaction.execute("ledger/column_statistics/delete", day=day)
    columns = 0
    for each in statements(sql, "*/*/insert_statistics.sql"):
        create = statement(sql, str(PurePosixPath(each.name).with_name("create")))
        names = [name for name, _ in create.defined_columns if not _LEFT_OUT.fullmatch(name)]
        columns += transaction.insert(_of_columns(each, names), day=day, load_id=load_id)
    return columns


def _of_columns(insert: Statement, columns: list[str]) -> Statement:
    """The statement for all columns: its SELECT once for each."""
    into, of_one = insert.text.split("\nselect\n", 1)
    selects = (f"select\n{of_one.replace(':column', column)}" for column in columns)
    return Statement(insert.name, "\n".join([into, "\nunion all\n".join(selects)]))
