"""Users, roles and what they may do: CREATE USER, CREATE ROLE, GRANT and REVOKE.

Redshift Database Developer Guide: r_CREATE_USER, r_CREATE_ROLE, r_GRANT, r_REVOKE. PostgreSQL's roles are
both: a user is one that can sign in.
"""

from __future__ import annotations

from redshift_sandbox.errors import unsupported
from redshift_sandbox.reader import Reader
from redshift_sandbox.statement import Statement

_OF_TABLES = ("select", "insert", "update", "delete", "references", "truncate")
_OF_SCHEMAS = ("create", "usage")
_OF_DATABASES = ("create", "temporary", "temp")


def create_user(reader: Reader) -> Statement:
    """A user, with a password or, by DISABLE, without one."""
    name = reader.name()
    reader.accept("with")
    reader.expect("password")
    password = "NULL" if reader.accept("disable") else _text(reader.string())
    _ = reader.accept("nocreatedb")
    _ = reader.accept("nocreateuser")
    if not reader.done:
        raise unsupported(f"CREATE USER … {reader.look().upper()}")
    return Statement("definition", f"CREATE ROLE {name} LOGIN PASSWORD {password}", "CREATE USER")


def create_role(reader: Reader) -> Statement:
    name = reader.name()
    if not reader.done:
        raise unsupported(f"CREATE ROLE … {reader.look().upper()}")
    return Statement("definition", f"CREATE ROLE {name}")


def drop(reader: Reader) -> Statement:
    is_user = reader.accept("user")
    if not is_user:
        reader.expect("role")
    exists = "IF EXISTS " if is_user and reader.accept("if exists") else ""
    name = reader.name()
    if not is_user and reader.accept("force"):
        raise unsupported("DROP ROLE … FORCE")
    reader.end()
    return Statement("definition", f"DROP ROLE {exists}{name}", "DROP USER" if is_user else "DROP ROLE")


def grant(reader: Reader) -> Statement:
    reader.expect("grant")
    return _change(reader, "GRANT", "to")


def revoke(reader: Reader) -> Statement:
    reader.expect("revoke")
    return _change(reader, "REVOKE", "from")


def _change(reader: Reader, verb: str, way: str) -> Statement:
    if reader.accept("role"):
        what = reader.name()
        while reader.accept(","):
            what += f", {reader.name()}"
    else:
        what = _rights(reader)
    reader.expect(way)
    receivers = [_receiver(reader)]
    while reader.accept(","):
        receivers.append(_receiver(reader))
    if not reader.done:
        raise unsupported(f"{verb} … {reader.look().upper()}")
    return Statement("definition", f"{verb} {what} {way.upper()} {', '.join(receivers)}", verb)


def _rights(reader: Reader) -> str:
    """What is granted on what, up to TO or FROM."""
    rights = [reader.word()]
    if rights == ["all"]:
        reader.accept("privileges")
    while reader.accept(","):
        rights.append(reader.word())
    if reader.look() != "on":
        raise unsupported(f"the right {rights[-1].upper()}")
    reader.expect("on")
    known: tuple[str, ...]
    if reader.accept("schema"):
        known, kind = _OF_SCHEMAS, "SCHEMA "
    elif reader.accept("database"):
        known, kind = _OF_DATABASES, "DATABASE "
    elif reader.accept("all tables in schema"):
        known, kind = _OF_TABLES, "ALL TABLES IN SCHEMA "
    else:
        reader.accept("table")
        known, kind = _OF_TABLES, "TABLE "
    for right in rights:
        if right != "all" and right not in known:
            raise unsupported(f"the right {right.upper()} on a {kind.split(' ')[0].lower()}")
    names = [reader.qualified_name()]
    while reader.accept(","):
        names.append(reader.qualified_name())
    return f"{', '.join(rights).upper()} ON {kind}{', '.join(names)}"


def _receiver(reader: Reader) -> str:
    if reader.accept("public"):
        return "PUBLIC"
    if reader.look() == "group":
        raise unsupported("a group of users")
    reader.accept("role")
    return reader.name()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
