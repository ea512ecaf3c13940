"""Statements other than queries: transactions, settings, maintenance, views and the like."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot.tokenizer_core import Token

from redshift_sandbox import rights, tables
from redshift_sandbox.errors import RedshiftError, syntax_error, unsupported
from redshift_sandbox.queries import query
from redshift_sandbox.reader import Reader
from redshift_sandbox.statement import Statement

_SETTINGS = frozenset({
    "application_name", "client_encoding", "datestyle", "extra_float_digits", "search_path",
    "statement_timeout", "timezone",
})  # fmt: skip
_REDSHIFT_SETTINGS = frozenset({
    "analyze_threshold_percent", "autocommit", "cast_super_null_on_error", "default_geometry_encoding",
    "describe_field_name_in_uppercase", "downcase_delimited_identifier", "enable_numeric_rounding",
    "enable_result_cache_for_session", "json_parse_dedup_attributes", "json_serialization_enable",
    "max_concurrency_scaling_clusters", "mv_enable_aqmv_for_session", "query_group",
    "session_authorization", "use_fips_ssl", "wlm_query_slot_count",
})  # fmt: skip


def statement(text: str, tokens: list[Token]) -> Statement:
    """One statement; `tokens` are those of `text`."""
    reader = Reader(text, tokens)
    word = reader.look().split(" ")[0]
    if word in ("select", "with", "insert", "update", "delete", "merge", "("):
        return Statement("query", query(text), original=text)
    reading = _STATEMENTS.get(word)
    if reading is None:
        raise unsupported(f"the statement {word.upper()}") if word.isalpha() else syntax_error(word)
    result = reading(reader)
    return Statement(result.kind, result.sql or text, result.command_tag, text)


# Transactions


def _begin(reader: Reader) -> Statement:
    if not (reader.accept("begin") or reader.accept("start")):
        raise reader.error()
    _ = reader.accept("work") or reader.accept("transaction")
    access = ""
    while not reader.done:
        if reader.accept("isolation level"):
            # Accepted for every level, and the same for every level (r_BEGIN).
            if not any(
                reader.accept(level)
                for level in (
                    "serializable",
                    "read committed",
                    "read uncommitted",
                    "repeatable read",
                    "snapshot",
                )
            ):
                raise reader.error()
        elif reader.accept("read only"):
            access = " READ ONLY"
        else:
            reader.expect("read write")
        reader.accept(",")
    return Statement("begin", f"BEGIN ISOLATION LEVEL REPEATABLE READ{access}", "BEGIN")


def _commit(reader: Reader) -> Statement:
    _ = reader.accept("commit") or reader.accept("end")
    _ = reader.accept("work") or reader.accept("transaction")
    reader.end()
    return Statement("commit", "COMMIT")


def _rollback(reader: Reader) -> Statement:
    _ = reader.accept("rollback") or reader.accept("abort")
    _ = reader.accept("work") or reader.accept("transaction")
    if reader.look() == "to":
        raise unsupported("SAVEPOINT")
    reader.end()
    return Statement("rollback", "ROLLBACK")


def _lock(reader: Reader) -> Statement:
    """LOCK is ACCESS EXCLUSIVE, the only mode there is (r_LOCK)."""
    reader.expect("lock")
    reader.accept("table")
    tables = [reader.qualified_name()]
    while reader.accept(","):
        tables.append(reader.qualified_name())
    reader.end()
    return Statement("lock", f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")


# Data


def _copy(reader: Reader) -> Statement:
    return Statement("copy", "")


def _truncate(reader: Reader) -> Statement:
    """TRUNCATE commits the transaction that it runs in (r_TRUNCATE)."""
    reader.expect("truncate")
    reader.accept("table")
    table = reader.qualified_name()
    reader.end()
    return Statement("truncate", f"TRUNCATE TABLE {table}")


def _call(reader: Reader) -> Statement:
    reader.expect("call")
    if reader.look() != "sandbox":
        raise unsupported("CALL of a stored procedure")
    return Statement("sandbox", "")


def _explain(reader: Reader) -> Statement:
    reader.expect("explain")
    if reader.accept("verbose"):
        return Statement("query", f"EXPLAIN VERBOSE {query(reader.rest())}")
    return Statement("query", f"EXPLAIN {query(reader.rest())}")


def _declare(reader: Reader) -> Statement:
    reader.expect("declare")
    name = reader.name()
    reader.expect("cursor for")
    return Statement("query", f"DECLARE {name} CURSOR FOR {query(reader.rest())}")


def _fetch(reader: Reader) -> Statement:
    reader.expect("fetch")
    if reader.accept("next"):
        count = "NEXT"
    elif reader.accept("forward"):
        count = "FORWARD ALL" if reader.accept("all") else f"FORWARD {reader.number()}"
    elif reader.accept("all"):
        count = "ALL"
    else:
        count = "NEXT" if reader.look() == "from" else str(reader.number())
    reader.expect("from")
    name = reader.name()
    reader.end()
    return Statement("query", f"FETCH {count} FROM {name}")


def _close(reader: Reader) -> Statement:
    reader.expect("close")
    name = "ALL" if reader.accept("all") else reader.name()
    reader.end()
    return Statement("utility", f"CLOSE {name}")


# Settings and maintenance


def _setting(reader: Reader) -> str:
    if reader.accept("time zone"):
        return "timezone"
    name = reader.qualified_name().replace('"', "")
    if name in _SETTINGS or name.startswith("redshift."):
        return name
    if name in _REDSHIFT_SETTINGS:
        return f"redshift.{name}"
    raise RedshiftError("42704", f'unrecognized configuration parameter "{name}"')


def _set(reader: Reader) -> Statement:
    reader.expect("set")
    _ = reader.accept("session")
    scope = "LOCAL " if reader.accept("local") else ""
    if reader.look() == "transaction":
        raise unsupported("SET TRANSACTION")
    name = _setting(reader)
    _ = reader.accept("to") or reader.accept("=")
    values = []
    while True:
        if reader.accept("default"):
            values.append("DEFAULT")
        elif reader.look().startswith("'"):
            quoted = reader.word()[1:-1].replace("'", "''")
            values.append(f"'{quoted}'")
        elif reader.look().lstrip("-").replace(".", "").isdigit() or reader.look() == "-":
            values.append(str(reader.number()))
        elif reader.accept("$", "user"):
            values.append('"$user"')
        else:
            word = reader.look()
            if not word.replace("_", "").isalnum() and word != "$user":
                raise reader.error()
            reader.word()
            values.append('"$user"' if word == "$user" else f"'{word}'")
        if not reader.accept(","):
            break
    reader.end()
    values = ['"$user"' if value == "'$user'" else value for value in values]
    return Statement("utility", f"SET {scope}{name} TO {', '.join(values)}", "SET")


def _reset(reader: Reader) -> Statement:
    reader.expect("reset")
    name = "ALL" if reader.accept("all") else _setting(reader)
    reader.end()
    return Statement("utility", f"RESET {name}")


def _show(reader: Reader) -> Statement:
    reader.expect("show")
    if reader.accept("all"):
        return Statement("utility", "SHOW ALL")
    if reader.look() in (
        "table",
        "tables",
        "view",
        "schemas",
        "databases",
        "columns",
        "procedure",
        "external",
    ):
        raise unsupported(f"SHOW {reader.look().upper()}")
    if reader.accept("server_version"):
        return Statement("utility", "SELECT CAST('8.0.2' AS varchar) AS server_version", "SHOW")
    name = _setting(reader)
    reader.end()
    return Statement("utility", f"SHOW {name}")


def _analyze(reader: Reader) -> Statement:
    _ = reader.accept("analyze") or reader.accept("analyse")
    if reader.look() == "compression":
        raise unsupported("ANALYZE COMPRESSION")
    verbose = "VERBOSE " if reader.accept("verbose") else ""
    if reader.done:
        return Statement("utility", f"ANALYZE {verbose}".rstrip())
    table = reader.qualified_name()
    columns = ""
    if reader.look() == "(":
        columns = f" ({', '.join(reader.names())})"
    elif not (reader.done or reader.accept("predicate columns")):
        reader.expect("all columns")
    reader.end()
    return Statement("utility", f"ANALYZE {verbose}{table}{columns}")


def _vacuum(reader: Reader) -> Statement:
    """A table is written anew without its deleted rows; all tables at once are only cleared of them."""
    reader.expect("vacuum")
    _ = any(reader.accept(way) for way in ("full", "sort only", "delete only", "reindex", "recluster"))
    sql = "VACUUM"
    if not reader.done and reader.look() not in ("to", "boost"):
        sql = f"VACUUM (FULL) {reader.qualified_name()}"
    if reader.accept("to"):
        reader.number()
        reader.expect("percent")
    reader.accept("boost")
    reader.end()
    return Statement("vacuum", sql)


def _comment(reader: Reader) -> Statement:
    reader.expect("comment on")
    for kind in ("table", "column", "view", "schema", "database"):
        if reader.accept(kind):
            break
    else:
        raise unsupported("COMMENT ON this kind of object")
    name = reader.qualified_name()
    reader.expect("is")
    text = "NULL" if reader.accept("null") else "'" + reader.string().replace("'", "''") + "'"
    reader.end()
    return Statement("definition", f"COMMENT ON {kind.upper()} {name} IS {text}")


# Definitions


def _create(reader: Reader) -> Statement:
    reader.expect("create")
    replace = reader.accept("or replace")
    if reader.accept("view"):
        return _create_view(reader, replace)
    if replace:
        raise unsupported(f"CREATE OR REPLACE {reader.look().upper()}")
    if reader.accept("local") and reader.look() not in ("temp", "temporary"):
        raise reader.error()
    temporary = reader.accept("temp") or reader.accept("temporary")
    if reader.accept("table"):
        return tables.create(reader, temporary)
    if reader.accept("schema"):
        return _create_schema(reader)
    if reader.accept("database"):
        return _create_database(reader)
    if reader.accept("user"):
        return rights.create_user(reader)
    if reader.accept("role"):
        return rights.create_role(reader)
    raise unsupported(f"CREATE {reader.look().upper()}")


def _create_view(reader: Reader, replace: bool) -> Statement:
    name = reader.qualified_name()
    columns = f" ({', '.join(reader.names())})" if reader.look() == "(" else ""
    reader.expect("as")
    text = reader.rest()
    if "no schema binding" in " ".join(text.lower().split()):
        raise unsupported("WITH NO SCHEMA BINDING")
    kind = "OR REPLACE VIEW" if replace else "VIEW"
    return Statement("definition", f"CREATE {kind} {name}{columns} AS {query(text)}")


def _create_schema(reader: Reader) -> Statement:
    missing = " IF NOT EXISTS" if reader.accept("if not exists") else ""
    name = reader.name()
    if reader.accept("authorization"):
        reader.name()
    if reader.accept("quota") and not reader.accept("unlimited"):
        reader.number()
        reader.name()  # MB, GB or TB
    reader.end()
    return Statement("definition", f"CREATE SCHEMA{missing} {name}")


def _create_database(reader: Reader) -> Statement:
    name = reader.name()
    reader.end()
    return Statement("vacuum", f"CREATE DATABASE {name}")


def _drop(reader: Reader) -> Statement:
    reader.expect("drop")
    if reader.look() in ("user", "role"):
        return rights.drop(reader)
    for kind in ("table", "view", "schema", "database"):
        if reader.accept(kind):
            break
    else:
        raise unsupported(f"DROP {reader.look().upper()}")
    exists = " IF EXISTS" if reader.accept("if exists") else ""
    names = [reader.qualified_name()]
    while reader.accept(","):
        names.append(reader.qualified_name())
    way = ""
    if reader.accept("cascade"):
        way = " CASCADE"
    else:
        reader.accept("restrict")
    if kind == "database":
        way = " WITH (FORCE)" if reader.accept("force") else ""
    reader.end()
    return Statement(
        "vacuum" if kind == "database" else "definition",
        f"DROP {kind.upper()}{exists} {', '.join(names)}{way}",
    )


_STATEMENTS: dict[str, Callable[[Reader], Statement]] = {
    "abort": _rollback,
    "alter": tables.alter,
    "analyse": _analyze,
    "analyze": _analyze,
    "begin": _begin,
    "call": _call,
    "close": _close,
    "comment": _comment,
    "commit": _commit,
    "copy": _copy,
    "create": _create,
    "declare": _declare,
    "drop": _drop,
    "end": _commit,
    "explain": _explain,
    "fetch": _fetch,
    "grant": rights.grant,
    "lock": _lock,
    "reset": _reset,
    "revoke": rights.revoke,
    "rollback": _rollback,
    "set": _set,
    "show": _show,
    "start": _begin,
    "truncate": _truncate,
    "vacuum": _vacuum,
}
