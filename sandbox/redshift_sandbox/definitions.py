"""Statements other than queries: DDL, transactions, settings, maintenance.

Redshift's grammar for them is read token by token. What PostgreSQL has no use for, such as encodings and
distribution styles, is checked and left out; sort keys, distribution keys and the keys that Redshift
declares without enforcing them become plain indexes, which are to PostgreSQL what block skipping and
collocation are to Redshift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot.tokens import Token, TokenType

from redshift_sandbox import datatypes, dialect
from redshift_sandbox.dialect import Statement, syntax_error, unsupported
from redshift_sandbox.errors import RedshiftError

_ENCODINGS = frozenset(
    "auto az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 raw runlength text255 text32k zstd".split()
)
# c_Compression_encodings: AZ64 is for numbers, dates and times.
_AZ64_TYPES = frozenset("int2 int4 int8 numeric date timestamp timestamptz".split())

# Two slices number the rows of an IDENTITY column side by side, so its values have gaps.
_SLICES = 2

_SETTINGS = frozenset(
    "application_name client_encoding datestyle extra_float_digits search_path statement_timeout timezone".split()
)
_REDSHIFT_SETTINGS = frozenset(
    """
    analyze_threshold_percent autocommit cast_super_null_on_error default_geometry_encoding
    describe_field_name_in_uppercase downcase_delimited_identifier enable_numeric_rounding
    enable_result_cache_for_session json_parse_dedup_attributes json_serialization_enable
    max_concurrency_scaling_clusters mv_enable_aqmv_for_session query_group session_authorization
    use_fips_ssl wlm_query_slot_count
    """.split()
)


class Reader:
    """The tokens of one statement, read from the left. Raises RedshiftError 42601 for a token out of place."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._start = tokens[0].start
        self._text = text

    @property
    def done(self) -> bool:
        return self._next >= len(self._tokens)

    def look(self, ahead: int = 0) -> str:
        """A token's text in lower case; of a quoted name or a string, with its quotes; empty at the end."""
        place = self._next + ahead
        if place >= len(self._tokens):
            return ""
        token = self._tokens[place]
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            return f"'{token.text}'"
        return token.text.lower()

    def word(self) -> str:
        """The next token, whatever it is, as `look` gives it."""
        if self.done:
            raise self.error()
        self._next += 1
        return self.look(-1)

    def accept(self, *words: str) -> bool:
        """Goes past these words if they come next."""
        spelled = [part for word in words for part in word.split()]
        read, at = [], self._next
        # The tokenizer joins some words into one token, such as PRIMARY KEY.
        while at < len(self._tokens) and len(read) < len(spelled):
            if self._tokens[at].token_type in (TokenType.STRING, TokenType.IDENTIFIER):
                return False
            read += self._tokens[at].text.lower().split()
            at += 1
        if read != spelled:
            return False
        self._next = at
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.error()

    def end(self) -> None:
        if not self.done:
            raise self.error()

    def error(self) -> RedshiftError:
        return syntax_error("" if self.done else self._tokens[self._next].text)

    def name(self) -> str:
        """One identifier, as PostgreSQL takes it."""
        if self.done:
            raise self.error()
        token = self._tokens[self._next]
        quoted = token.token_type is TokenType.IDENTIFIER
        if not quoted and not token.text.lstrip("#").replace("_", "a").replace("$", "a").isalnum():
            raise self.error()
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            raise self.error()
        self._next += 1
        return dialect.identifier(token.text, quoted)

    def qualified_name(self) -> str:
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        return ".".join(parts)

    def names(self) -> list[str]:
        """Identifiers in parentheses, separated by commas."""
        self.expect("(")
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        self.expect(")")
        return names

    def string(self) -> str:
        if self.done or self._tokens[self._next].token_type is not TokenType.STRING:
            raise self.error()
        self._next += 1
        return self._tokens[self._next - 1].text

    def number(self) -> int:
        sign = -1 if self.accept("-") else 1
        if self.done or not self._tokens[self._next].text.isdigit():
            raise self.error()
        self._next += 1
        return sign * int(self._tokens[self._next - 1].text)

    def rest(self) -> str:
        """The text of what is left."""
        if self.done:
            raise self.error()
        start = self._tokens[self._next].start - self._start
        self._next = len(self._tokens)
        return self._text[start:]

    def until(self, *stops: str) -> str:
        """The text up to one of these words outside of parentheses."""
        first, depth = self._next, 0
        while not self.done:
            word = self.look()
            if depth == 0 and word in stops:
                break
            depth += {"(": 1, ")": -1}.get(word, 0)
            if depth < 0:
                break
            self._next += 1
        if self._next == first:
            raise self.error()
        last = self._tokens[self._next - 1]
        return self._text[self._tokens[first].start - self._start : last.end + 1 - self._start]


def statement(text: str, tokens: list[Token]) -> Statement:
    """One statement; `tokens` are those of `text`."""
    reader = Reader(text, tokens)
    word = reader.look().split(" ")[0]
    if word in ("select", "with", "insert", "update", "delete", "merge", "("):
        return Statement("query", dialect.query(text), original=text)
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
        return Statement("query", f"EXPLAIN VERBOSE {dialect.query(reader.rest())}")
    return Statement("query", f"EXPLAIN {dialect.query(reader.rest())}")


def _declare(reader: Reader) -> Statement:
    reader.expect("declare")
    name = reader.name()
    reader.expect("cursor for")
    return Statement("query", f"DECLARE {name} CURSOR FOR {dialect.query(reader.rest())}")


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
    reader.expect("vacuum")
    _ = any(reader.accept(way) for way in ("full", "sort only", "delete only", "reindex", "recluster"))
    table = ""
    if not reader.done and reader.look() not in ("to", "boost"):
        table = f" {reader.qualified_name()}"
    if reader.accept("to"):
        reader.number()
        reader.expect("percent")
    reader.accept("boost")
    reader.end()
    return Statement("vacuum", f"VACUUM{table}")


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


# Tables


@dataclass
class _Column:
    name: str
    type: datatypes.Type
    clauses: list[str] = field(default_factory=list)
    distkey: bool = False
    sortkey: bool = False
    key: bool = False
    references: bool = False

    @property
    def sql(self) -> str:
        return " ".join([self.name, self.type.postgresql, *self.clauses, *self.checks])

    @property
    def checks(self) -> list[str]:
        check = _bytes_check(self.name, self.type)
        return [check] if check else []


@dataclass
class _Attributes:
    """What follows a table's columns."""

    distkey: str | None = None
    diststyle: str | None = None
    sortkey: list[str] = field(default_factory=list)


def _bytes_check(name: str, kind: datatypes.Type) -> str:
    """The lengths of VARCHAR and CHAR are bytes; CHAR takes single-byte characters only (r_Character_types)."""
    if kind.length is None:
        return ""
    constraint = dialect.identifier(f"bytes of {name[1:-1]}"[:63], quoted=True)
    if kind.name == "char":
        text = f"character({kind.length})"
    else:
        text = f"character varying({kind.length})"
    raising = f"CASE WHEN octet_length({name}) > {kind.length} THEN sandbox.too_long('{text}') END"
    return f"CONSTRAINT {constraint} CHECK ({raising})"


def _create(reader: Reader) -> Statement:
    reader.expect("create")
    replace = reader.accept("or replace")
    if reader.accept("view"):
        return _create_view(reader, replace)
    if replace:
        raise unsupported(f"CREATE OR REPLACE {reader.look().upper()}")
    if reader.accept("local"):
        if reader.look() not in ("temp", "temporary"):
            raise reader.error()
    temporary = reader.accept("temp") or reader.accept("temporary")
    if reader.accept("table"):
        return _create_table(reader, temporary)
    if reader.accept("schema"):
        return _create_schema(reader)
    if reader.accept("database"):
        return _create_database(reader)
    raise unsupported(f"CREATE {reader.look().upper()}")


def _create_view(reader: Reader, replace: bool) -> Statement:
    name = reader.qualified_name()
    columns = f" ({', '.join(reader.names())})" if reader.look() == "(" else ""
    reader.expect("as")
    text = reader.rest()
    if "no schema binding" in " ".join(text.lower().split()):
        raise unsupported("WITH NO SCHEMA BINDING")
    kind = "OR REPLACE VIEW" if replace else "VIEW"
    return Statement("definition", f"CREATE {kind} {name}{columns} AS {dialect.query(text)}")


def _create_schema(reader: Reader) -> Statement:
    missing = " IF NOT EXISTS" if reader.accept("if not exists") else ""
    name = reader.name()
    if reader.accept("authorization"):
        reader.name()
    if reader.accept("quota"):
        if not reader.accept("unlimited"):
            reader.number()
            reader.name()
    reader.end()
    return Statement("definition", f"CREATE SCHEMA{missing} {name}")


def _create_database(reader: Reader) -> Statement:
    name = reader.name()
    reader.end()
    return Statement("vacuum", f"CREATE DATABASE {name}")


def _create_table(reader: Reader, temporary: bool) -> Statement:
    missing = reader.accept("if not exists")
    if reader.look().startswith("#"):
        temporary = True
    name = reader.qualified_name()
    head = "CREATE TEMPORARY TABLE" if temporary else "CREATE TABLE"
    if not _columns_follow(reader):
        if missing:
            raise syntax_error("if")
        return _create_table_as(reader, head, name)
    columns: list[_Column] = []
    parts: list[str] = []
    keys: list[list[str]] = []
    reader.expect("(")
    while True:
        _table_part(reader, columns, parts, keys)
        if not reader.accept(","):
            break
    reader.expect(")")
    attributes = _attributes(reader)
    reader.end()
    create = f"{head} {name} ({', '.join([column.sql for column in columns] + parts)})"
    indexes = _indexes(name, columns, attributes, keys)
    return Statement("definition", _with_indexes(create, name, temporary, missing, indexes), "CREATE TABLE")


def _columns_follow(reader: Reader) -> bool:
    """Whether definitions follow, and not only names or a query."""
    if reader.look() != "(":
        return False
    return reader.look(2) not in (",", ")") and reader.look(1) not in ("select", "with")


def _create_table_as(reader: Reader, head: str, name: str) -> Statement:
    columns = f" ({', '.join(reader.names())})" if reader.look() == "(" else ""
    _attributes(reader)
    reader.expect("as")
    return Statement("definition", f"{head} {name}{columns} AS {dialect.query(reader.rest())}")


def _with_indexes(create: str, name: str, temporary: bool, missing: bool, indexes: list[str]) -> str:
    """The table and its indexes in one statement, so that either all of it is there or nothing."""
    if not indexes and not missing:
        return create
    body = "; ".join([create, *indexes]) + ";"
    if missing:
        schema, _, table = name.rpartition(".")
        where = "'pg_temp'" if temporary else (f"'{schema[1:-1]}'" if schema else "current_schema()")
        bare = table[1:-1].replace("'", "''")
        body = (
            f"IF to_regclass(format('%I.%I', {where}, '{bare}')) IS NULL THEN {body} "
            f"ELSE RAISE INFO 'Relation \"%\" already exists and will be skipped', '{bare}'; END IF;"
        )
    return f"DO $redshift$ BEGIN {body} END $redshift$"


def _indexes(name: str, columns: list[_Column], attributes: _Attributes, keys: list[list[str]]) -> list[str]:
    sortkey = [column.name for column in columns if column.sortkey] or attributes.sortkey
    distkey = [column.name for column in columns if column.distkey] or (
        [attributes.distkey] if attributes.distkey else []
    )
    if len(distkey) > 1:
        raise RedshiftError("42P16", "multiple distkeys are not allowed")
    if attributes.diststyle not in (None, "key") and distkey:
        raise RedshiftError("42P16", f"DISTSTYLE {attributes.diststyle.upper()} cannot have a DISTKEY column")
    if attributes.diststyle == "key" and not distkey:
        raise RedshiftError("42P16", "DISTSTYLE KEY requires a DISTKEY column")
    known = {column.name for column in columns}
    wanted = [sortkey, distkey, *([column.name] for column in columns if column.key), *keys]
    for missing in {key for index in wanted for key in index} - known:
        if columns:
            raise RedshiftError("42703", f"column {missing} named in key does not exist")
    unique: list[list[str]] = []
    for index in wanted:
        if index and index not in unique:
            unique.append(index)
    return [f"CREATE INDEX ON {name} ({', '.join(index)})" for index in unique]


def _table_part(reader: Reader, columns: list[_Column], parts: list[str], keys: list[list[str]]) -> None:
    """One column, constraint or LIKE clause."""
    if reader.accept("like"):
        # Byte checks are constraints here; Redshift copies neither keys nor, unless told to, defaults.
        parent, defaults = reader.qualified_name(), ""
        if reader.accept("including defaults"):
            defaults = " INCLUDING DEFAULTS"
        else:
            reader.accept("excluding defaults")
        parts.append(f"LIKE {parent} INCLUDING CONSTRAINTS{defaults}")
        return
    if reader.accept("constraint"):
        reader.name()
    if reader.accept("primary key"):
        names = reader.names()
        keys.append(names)
        for column in columns:
            if column.name in names and "NOT NULL" not in column.clauses:
                column.clauses.append("NOT NULL")
    elif reader.look() == "unique" and reader.look(1) == "(":
        reader.expect("unique")
        keys.append(reader.names())
    elif reader.accept("foreign key"):
        reader.names()
        reader.expect("references")
        reader.qualified_name()
        if reader.look() == "(":
            reader.names()
    elif reader.look() == "check":
        raise unsupported("CHECK")
    else:
        columns.append(_column(reader))


_COLUMN_WORDS = (
    "default", "identity", "generated", "encode", "distkey", "sortkey", "collate", "not", "null",
    "unique", "primary", "primary key", "references", "not null", ",",
)  # fmt: skip


def _column(reader: Reader) -> _Column:
    name = reader.name()
    column = _Column(name, dialect.type_name(reader.until(*_COLUMN_WORDS)))
    while reader.look() not in (",", ")", ""):
        _column_clause(reader, column)
    return column


def _column_clause(reader: Reader, column: _Column) -> None:
    if reader.accept("default"):
        column.clauses.append(f"DEFAULT {dialect.expression(reader.until(*_COLUMN_WORDS))}")
    elif reader.look() in ("identity", "generated"):
        always = "ALWAYS"
        if reader.accept("generated by default as"):
            always = "BY DEFAULT"
        column.clauses.append(_identity(reader, column, always))
    elif reader.accept("encode"):
        _encoding(reader, column)
    elif reader.accept("distkey"):
        column.distkey = True
    elif reader.accept("sortkey"):
        column.sortkey = True
    elif reader.accept("collate"):
        raise unsupported("COLLATE")
    elif reader.accept("not null"):
        column.clauses.append("NOT NULL")
    elif reader.accept("null"):
        pass
    elif reader.accept("unique"):
        column.key = True
    elif reader.accept("primary key"):
        column.key = True
        column.clauses.append("NOT NULL")
    elif reader.accept("references"):
        reader.qualified_name()
        if reader.look() == "(":
            reader.names()
    else:
        raise reader.error()


def _identity(reader: Reader, column: _Column, always: str) -> str:
    reader.expect("identity")
    reader.expect("(")
    seed = reader.number()
    reader.expect(",")
    step = reader.number()
    reader.expect(")")
    if column.type.name not in ("int4", "int8"):
        raise RedshiftError("42P16", "identity column type must be INTEGER or BIGINT")
    bounds = f"MINVALUE {min(seed, 1)}" if step > 0 else f"MAXVALUE {max(seed, -1)}"
    return f"GENERATED {always} AS IDENTITY (START {seed} INCREMENT {step * _SLICES} {bounds}) NOT NULL"


def _encoding(reader: Reader, column: _Column) -> None:
    encoding = reader.look()
    if encoding not in _ENCODINGS:
        raise reader.error()
    reader.expect(encoding)
    if encoding == "az64" and column.type.name not in _AZ64_TYPES:
        raise RedshiftError("42P16", f"invalid encoding type specified for column {column.name}")


def _attributes(reader: Reader) -> _Attributes:
    found = _Attributes()
    while True:
        if reader.accept("backup"):
            if not (reader.accept("yes") or reader.accept("no")):
                raise reader.error()
        elif reader.accept("diststyle"):
            found.diststyle = reader.look()
            if found.diststyle not in ("auto", "even", "key", "all"):
                raise reader.error()
            reader.expect(found.diststyle)
        elif reader.accept("distkey"):
            (found.distkey,) = reader.names()
        elif reader.accept("encode auto") or reader.accept("sortkey auto"):
            pass
        elif reader.look() in ("compound", "interleaved", "sortkey"):
            _ = reader.accept("compound") or reader.accept("interleaved")
            reader.expect("sortkey")
            found.sortkey = reader.names()
        else:
            return found


def _nothing_but(table: str, tag: str) -> Statement:
    """A change that PostgreSQL has no use for: the table only has to be there."""
    name = table.replace("'", "''")
    return Statement(
        "definition", f"DO $redshift$ BEGIN PERFORM CAST('{name}' AS regclass); END $redshift$", tag
    )


def _alter(reader: Reader) -> Statement:
    reader.expect("alter")
    if not reader.accept("table"):
        raise unsupported(f"ALTER {reader.look().upper()}")
    table = reader.qualified_name()
    start = f"ALTER TABLE {table}"
    if reader.accept("rename to"):
        sql = f"{start} RENAME TO {reader.name()}"
    elif reader.accept("rename column"):
        old = reader.name()
        reader.expect("to")
        sql = f"CALL sandbox.rename_column('{table}', '{old[1:-1]}', '{reader.name()[1:-1]}')"
    elif reader.accept("owner to"):
        sql = f"{start} OWNER TO {reader.name()}"
    elif reader.accept("drop column"):
        sql = f"{start} DROP COLUMN {reader.name()}"
        if reader.accept("cascade"):
            sql += " CASCADE"
        else:
            reader.accept("restrict")
    elif reader.accept("add column") or (
        reader.look() == "add"
        and reader.look(1) not in ("constraint", "primary key", "primary", "unique", "foreign")
        and reader.accept("add")
    ):
        sql = _add_column(reader, start)
    elif reader.accept("add"):
        _table_part(reader, [], [], [])
        reader.end()
        return _nothing_but(table, "ALTER TABLE")
    elif reader.accept("alter column") or reader.accept("alter diststyle") or reader.accept("alter"):
        return _alter_column(reader, table, start)
    elif reader.accept("append"):
        raise unsupported("ALTER TABLE APPEND")
    else:
        raise unsupported(f"ALTER TABLE … {reader.look().upper()}")
    reader.end()
    return Statement("definition", sql, "ALTER TABLE")


def _add_column(reader: Reader, start: str) -> str:
    column = _column(reader)
    if (
        column.distkey
        or column.sortkey
        or column.key
        or any("IDENTITY" in clause for clause in column.clauses)
    ):
        raise unsupported("a key or IDENTITY in ADD COLUMN")
    return f"{start} ADD COLUMN {column.sql}"


def _alter_column(reader: Reader, table: str, start: str) -> Statement:
    if reader.look() in (
        "distkey",
        "sortkey",
        "diststyle",
        "compound",
        "encode",
        "auto",
        "even",
        "all",
        "key",
    ):
        reader.rest()
        return _nothing_but(table, "ALTER TABLE")
    name = reader.name()
    if reader.accept("encode"):
        reader.rest()
        return _nothing_but(table, "ALTER TABLE")
    reader.expect("type")
    kind = dialect.type_name(reader.rest())
    if kind.name != "varchar":
        raise RedshiftError("0A000", "only the length of a VARCHAR column can be altered")
    check = _bytes_check(name, kind)
    constraint = dialect.identifier(f"bytes of {name[1:-1]}"[:63], quoted=True)
    sql = f"{start} DROP CONSTRAINT IF EXISTS {constraint}, ALTER COLUMN {name} TYPE {kind.postgresql}, ADD {check}"
    return Statement("definition", sql, "ALTER TABLE")


def _drop(reader: Reader) -> Statement:
    reader.expect("drop")
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
    "alter": _alter,
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
    "lock": _lock,
    "reset": _reset,
    "rollback": _rollback,
    "set": _set,
    "show": _show,
    "start": _begin,
    "truncate": _truncate,
    "vacuum": _vacuum,
}
