"""CREATE TABLE and ALTER TABLE.

What PostgreSQL has no use for, such as encodings and distribution styles, is checked and left out. Sort
keys, distribution keys and the keys that Redshift declares without enforcing them become plain indexes,
which are to PostgreSQL what block skipping and collocation are to Redshift.
Redshift Database Developer Guide: r_CREATE_TABLE_NEW, r_CREATE_TABLE_AS, r_ALTER_TABLE.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from redshift_sandbox import datatypes
from redshift_sandbox.errors import RedshiftError, syntax_error, unsupported
from redshift_sandbox.queries import expression, identifier, query, type_of
from redshift_sandbox.reader import Reader
from redshift_sandbox.statement import Statement

_ENCODINGS = frozenset({
    "auto", "az64", "bytedict", "delta", "delta32k", "lzo", "mostly8", "mostly16", "mostly32", "raw",
    "runlength", "text255", "text32k", "zstd",
})  # fmt: skip
# c_Compression_encodings: AZ64 is for numbers, dates and times.
_AZ64_TYPES = frozenset({
    "int2", "int4", "int8", "numeric", "date", "timestamp", "timestamptz",
})  # fmt: skip

# Two slices number the rows of an IDENTITY column side by side, so its values have gaps.
_SLICES = 2


# Numbers and times, which may grow with the rows; texts seldom do.
_ZONE_MAPPED = frozenset(("int2", "int4", "int8", "date", "timestamp", "timestamptz"))


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
    """The lengths of VARCHAR and CHAR are bytes (r_Character_types)."""
    if kind.length is None:
        return ""
    constraint = identifier(f"bytes of {name[1:-1]}"[:63], quoted=True)
    text = f"{'character' if kind.name == 'char' else 'character varying'}({kind.length})"
    raising = f"CASE WHEN octet_length({name}) > {kind.length} THEN sandbox.too_long('{text}') END"
    return f"CONSTRAINT {constraint} CHECK ({raising})"


def create(reader: Reader, temporary: bool) -> Statement:
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
    indexed = _indexed(columns, attributes, keys)
    indexes = [f"CREATE INDEX ON {name} ({', '.join(index)})" for index in indexed]
    if not temporary:
        indexes += _zone_maps(name, columns, indexed)
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
    return Statement("definition", f"{head} {name}{columns} AS {query(reader.rest())}")


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


def _indexed(columns: list[_Column], attributes: _Attributes, keys: list[list[str]]) -> list[list[str]]:
    """The columns of each index: the sort key, the distribution key and the declared keys."""
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
    return unique


def _zone_maps(name: str, columns: list[_Column], indexes: list[list[str]]) -> list[str]:
    """The least and greatest value of each run of pages, as Redshift keeps them of each block.

    A column that leads an index needs none.
    """
    led = {index[0] for index in indexes}
    mapped = [c.name for c in columns if c.type.name in _ZONE_MAPPED and c.name not in led]
    if not mapped:
        return []
    options = "pages_per_range = 32, autosummarize = on"
    return [f"CREATE INDEX ON {name} USING brin ({', '.join(mapped)}) WITH ({options})"]


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
    "unique", "primary", "primary key", "references", "not null", "check", ",",
)  # fmt: skip


def _column(reader: Reader) -> _Column:
    name = reader.name()
    column = _Column(name, type_of(reader.until(*_COLUMN_WORDS)))
    while reader.look() not in (",", ")", ""):
        _column_clause(reader, column)
    return column


def _column_clause(reader: Reader, column: _Column) -> None:
    if reader.accept("default"):
        column.clauses.append(f"DEFAULT {expression(reader.until(*_COLUMN_WORDS))}")
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
    elif reader.look() in ("check", "collate"):
        raise unsupported(reader.look().upper())
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


def alter(reader: Reader) -> Statement:
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
    kind = type_of(reader.rest())
    if kind.name != "varchar":
        raise RedshiftError("0A000", "only the length of a VARCHAR column can be altered")
    check = _bytes_check(name, kind)
    constraint = identifier(f"bytes of {name[1:-1]}"[:63], quoted=True)
    sql = (
        f"{start} DROP CONSTRAINT IF EXISTS {constraint}, ALTER COLUMN {name} TYPE {kind.postgresql}, "
        f"ADD {check}"
    )
    return Statement("definition", sql, "ALTER TABLE")
