"""Runs `sparkify` commands, each in a process of its own that costs no start: a fork of this one.

An order is a line of JSON on standard input, its answer a line with the exit code, negative for a signal.
"""

import json
import os
import sys
from itertools import count
from typing import Any

import tenacity
from redshift_connector.core import Connection

# All that a step imports, so that a fork has it.
from sparkify import check, cli, load, objects, stage, warehouse

STEPS = (check, load, stage)
# How long a fork waits for a silent S3.
SILENT_SECONDS = 1


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if process == 0:
            run(**order)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(
    arguments: list[str], environment: dict[str, str], log: str, signal: int | None, nth: int | None
) -> None:
    """Be the worker, its log in a file; it gets the signal while it waits for the answer to a statement."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    vars(warehouse)["_PAUSE"] = tenacity.wait_none()
    vars(objects)["_SILENT_SECONDS"] = SILENT_SECONDS
    if signal is not None:
        send_while_waiting(signal, nth)
    cli.command()


def send_while_waiting(signal: int, nth: int | None) -> None:
    """Send this process a signal once the nth statement is with the warehouse."""
    sent = count(1)
    due: list[bool] = []
    send, wait = Connection.send_EXECUTE, Connection.handle_messages

    def sending(connection: Any, cursor: Any) -> None:
        due[:] = [True] if next(sent) == nth else []
        send(connection, cursor)

    def waiting(connection: Any, cursor: Any) -> None:
        if due:
            due.clear()
            os.kill(os.getpid(), signal)
        wait(connection, cursor)

    Connection.send_EXECUTE, Connection.handle_messages = sending, waiting


if __name__ == "__main__":
    main()
