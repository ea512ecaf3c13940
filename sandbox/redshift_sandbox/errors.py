"""Errors as a client of Redshift sees them."""

from __future__ import annotations


class RedshiftError(Exception):
    """A statement failed the way Redshift would report it.

    `sqlstate` is the five-character SQLSTATE, `message` the primary text, `detail` and `hint` the optional
    fields of the wire protocol's ErrorResponse. Redshift reports failures of its own engine, such as error
    1023 and load errors, as XX000.
    """

    def __init__(
        self, sqlstate: str, message: str, detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint


class SandboxError(Exception):
    """The sandbox itself cannot start or go on. One line for the person who started it; exit code 1."""


def unsupported(what: str) -> RedshiftError:
    """The sandbox does not know `what`, and never guesses."""
    return RedshiftError("0A000", f"{what} is not supported by the sandbox")


def syntax_error(near: str) -> RedshiftError:
    """The text is no SQL of Redshift's from this token on; empty at its end."""
    return RedshiftError(
        "42601", f'syntax error at or near "{near}"' if near else "syntax error at end of input"
    )
