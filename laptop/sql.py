"""`python -m laptop sql`: one query, or a prompt."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from laptop import warehouse
from laptop.errors import LaptopError
from laptop.summary import table
from redshift_sandbox import Endpoint

_TABLES = """
select schemaname as "schema", tablename as "table"
from pg_tables
where schemaname not in ('pg_catalog', 'information_schema', 'pg_internal', 'sandbox')
order by schemaname, tablename
"""
_HELP = r"End a statement with ;   \d lists the tables, \q leaves."


def query(endpoint: Endpoint, statement: str, form: str) -> None:
    """Ask once and print the answer.

    Raises:
        LaptopError: the warehouse refuses the statement.
    """
    connection = warehouse.connect(endpoint)
    try:
        _print(warehouse.ask(connection, statement), form)
    finally:
        connection.close()


def prompt(endpoint: Endpoint, form: str, history: Path) -> None:
    """Ask what a person, or standard input, types until it ends; a refused statement does not end it.

    Raises:
        LaptopError: standard input is no terminal, and a statement was refused.
    """
    interactive = sys.stdin.isatty()
    if interactive:
        _remember(history)
        print(f"Redshift sandbox, database {endpoint.database}. {_HELP}")
    connection = warehouse.connect(endpoint)
    statement: list[str] = []
    while True:
        try:
            line = _read("   -> " if statement else "sql=> ", interactive)
        except EOFError:
            if interactive:
                print()
            break
        except KeyboardInterrupt:
            print()
            statement.clear()
            continue
        command = line.strip()
        if not statement and command in (r"\q", "exit", "quit"):
            break
        if not statement and command in (r"\?", "help"):
            print(_HELP)
            continue
        if not statement and command in (r"\d", r"\dt"):
            command = _TABLES + ";"
        elif not statement and not command:
            continue
        statement.append(line if command != _TABLES + ";" else command)
        if command.endswith(";"):
            connection = _answer(endpoint, connection, "\n".join(statement), form, interactive)
            statement.clear()
    if any(part.strip() for part in statement):
        connection = _answer(endpoint, connection, "\n".join(statement), form, interactive)
    with suppress(Exception):  # the connection may have been lost; there is nothing left to do with it
        connection.close()


def _answer(endpoint: Endpoint, connection: Any, statement: str, form: str, interactive: bool) -> Any:
    """Ask and print; returns the connection to go on with."""
    try:
        _print(warehouse.ask(connection, statement), form)
    except LaptopError as error:
        if not interactive:
            raise
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        # The answer is still on its way: this connection cannot be used again.
        print("interrupted", file=sys.stderr)
        return warehouse.connect(endpoint)
    return connection


def _read(text: str, interactive: bool) -> str:
    if interactive:
        return input(text)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _remember(history: Path) -> None:
    """Line editing with the history of earlier prompts."""
    try:
        import readline
    except ImportError:  # some builds of Python are without it
        return
    import atexit

    with suppress(OSError):
        readline.read_history_file(history)
    atexit.register(lambda: readline.write_history_file(history))


def _print(answer: warehouse.Answer, form: str) -> None:
    if form == "csv":
        _csv(answer, sys.stdout)
    elif answer.columns:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
        console.print(table(answer))
        print(f"{len(answer.rows):,} row{'' if len(answer.rows) == 1 else 's'}")
    else:
        print("done")


def _csv(answer: warehouse.Answer, stream: TextIO) -> None:
    """With a header. Null is nothing at all, an empty text a pair of quotes: csv cannot do both."""
    if answer.columns:
        for row in (answer.columns, *answer.rows):
            stream.write(",".join(map(_field, row)) + "\n")


def _field(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text == "" or any(sign in text for sign in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
