"""COPY from S3: the statement, the objects it names, and their rows on the way into PostgreSQL.

Redshift Database Developer Guide: r_COPY, copy-parameters-data-source-s3, copy-parameters-data-format,
copy-parameters-data-conversion, copy-parameters-data-load, copy-usage_notes-copy-from-json,
r_Load_Error_Reference. The texts of errors that those pages do not have are the sandbox's own, unless they
are known from reports of users; the codes are those of the load error reference.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from redshift_sandbox.conversion import Column, Options, converter
from redshift_sandbox.documents import Corrupt, blocks, by_name, by_path, json_path, whole_document
from redshift_sandbox.errors import RedshiftError, syntax_error, unsupported
from redshift_sandbox.objects import S3Object, Storage, is_url
from redshift_sandbox.queries import tokens
from redshift_sandbox.reader import Reader
from redshift_sandbox.rows import Load, LoadError, LoadFailed, shown
from redshift_sandbox.s3 import S3Settings

_LARGEST_MAXERROR = 100_000

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")


class CopySession(Protocol):
    """The session that a COPY runs in."""

    user: str
    database: str
    session_id: int

    async def query(self, sql: str) -> list[tuple[str | None, ...]]:
        """Run a statement in the session's transaction; the rows as text."""
        ...

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        """Run a COPY … FROM STDIN in the session's transaction; the number of rows."""
        ...

    async def record(self, sql: str) -> None:
        """Run a statement apart from the session's transaction."""
        ...

    def notice(self, message: str) -> None:
        """Send the client a message."""
        ...


# The statement


@dataclass(frozen=True)
class CopyCommand:
    """What a COPY statement says. `json` is auto, auto ignorecase, noshred or the URL of a JSONPaths file."""

    table: str
    columns: tuple[str, ...] | None
    source: str
    json: str
    options: Options
    manifest: bool = False
    compression: str | None = None
    maximum_errors: int = 0
    replacement: str | None = None
    skipped_lines: int = 0
    load: bool = True
    analyze: bool | None = None


# Not supported with JSON (copy-parameters-data-format).
_NOT_WITH_JSON = frozenset({
    "csv", "delimiter", "escape", "fillrecord", "fixedwidth", "ignoreblanklines", "null", "readratio",
    "removequotes",
})  # fmt: skip
_UNSUPPORTED = frozenset({
    "avro", "bzip2", "encrypted", "explicit_ids", "ignoreallerrors", "lzop", "master_symmetric_key",
    "orc", "parquet", "shapefile", "ssh", "quote", "job",
})  # fmt: skip


def parse(sql: str) -> CopyCommand:
    """Read a COPY statement. Raises RedshiftError: 42601, or 0A000 for an option that is refused."""
    reader = Reader(sql, tokens(sql))
    reader.expect("copy")
    table = reader.qualified_name()
    columns = tuple(reader.names()) if reader.look() == "(" else None
    reader.expect("from")
    source = reader.string()
    if not is_url(source):
        raise unsupported(f"COPY from '{source}', which is not in Amazon S3,")
    found: dict[str, Any] = {}
    options: dict[str, Any] = {}
    seen: set[str] = set()
    while not reader.done:
        word = reader.look()
        if word in seen and word != "with":
            raise RedshiftError("42601", "conflicting or redundant options")
        seen.add(word)
        _option(reader, found, options)
    if not seen & {"iam_role", "credentials", "access_key_id"}:
        raise RedshiftError("42601", "COPY from Amazon S3 needs an IAM_ROLE or other credentials")
    if "json" not in found:
        raise unsupported("COPY of another format than JSON")
    for name in seen & _NOT_WITH_JSON:
        raise RedshiftError("0A000", f"{name.upper()} is not supported with the JSON format")
    return CopyCommand(table, columns, source, options=Options(**options), **found)


def _option(reader: Reader, found: dict[str, Any], options: dict[str, Any]) -> None:
    word = reader.word()
    if word in ("with", "as"):
        return
    if word in _FLAGS:
        options[_FLAGS[word]] = True
    elif word == "format":
        reader.accept("as")
        if reader.look() != "json":
            raise unsupported(f"COPY FORMAT {reader.look().upper()}")
    elif word == "json":
        reader.accept("as")
        found["json"] = reader.string() if reader.look().startswith("'") else "auto"
        if found["json"] not in ("auto", "auto ignorecase", "noshred") and not is_url(found["json"]):
            raise RedshiftError(
                "42601", f"'{found['json']}' is neither a JSON option nor the URL of an object"
            )
    elif word in ("gzip", "zstd"):
        if "compression" in found:
            raise RedshiftError("42601", "conflicting or redundant options")
        found["compression"] = word
    elif word == "manifest":
        found["manifest"] = True
    elif word in ("iam_role", "credentials", "access_key_id", "secret_access_key", "session_token"):
        _authorization(reader, word)
    elif word in ("region", "encoding"):
        reader.accept("as")
        value = reader.string() if reader.look().startswith("'") else reader.word()
        if word == "encoding" and value.lower().replace("-", "") != "utf8":
            raise unsupported(f"COPY ENCODING {value}")
    elif word in ("dateformat", "timeformat"):
        reader.accept("as")
        options[word] = reader.string()
    elif word == "maxerror":
        reader.accept("as")
        found["maximum_errors"] = reader.number()
        if not 0 <= found["maximum_errors"] <= _LARGEST_MAXERROR:
            raise RedshiftError("22023", f"MAXERROR must be between 0 and {_LARGEST_MAXERROR}")
    elif word == "acceptinvchars":
        reader.accept("as")
        found["replacement"] = reader.string() if reader.look().startswith("'") else "?"
        if len(found["replacement"]) != 1 or not "\1" <= found["replacement"] <= "\x7f":
            raise RedshiftError("22023", "the replacement of ACCEPTINVCHARS must be one ASCII character")
    elif word == "ignoreheader":
        reader.accept("as")
        found["skipped_lines"] = reader.number()
    elif word == "comprows":
        reader.number()
    elif word == "noload":
        found["load"] = False
    elif word == "compupdate":
        _ = reader.accept("preset") or _switch(reader)
    elif word == "statupdate":
        found["analyze"] = _switch(reader)
    elif word in _NOT_WITH_JSON:
        raise RedshiftError("0A000", f"{word.upper()} is not supported with the JSON format")
    elif word in _UNSUPPORTED:
        raise unsupported(f"COPY {word.upper()}")
    else:
        raise syntax_error(word)


_FLAGS = {
    "truncatecolumns": "truncate_columns",
    "blanksasnull": "blanks_as_null",
    "emptyasnull": "empty_as_null",
    "trimblanks": "trim_blanks",
    "roundec": "round_decimals",
    "acceptanydate": "accept_any_date",
}


def _switch(reader: Reader) -> bool:
    if reader.accept("off") or reader.accept("false"):
        return False
    _ = reader.accept("on") or reader.accept("true")
    return True


def _authorization(reader: Reader, word: str) -> None:
    """Any that has the right form is taken: the sandbox reads its own S3 server with its own key."""
    reader.accept("as")
    if word == "iam_role" and reader.accept("default"):
        return
    value = reader.string()
    if word == "iam_role" and value != "default":
        for role in value.split(","):
            if not _ROLE.fullmatch(role):
                raise RedshiftError("XX000", f"Invalid IAM role ARN: {role}")


# Its run


async def _paths(storage: Storage, url: str) -> list[list[str | int]] | None:
    """A JSONPaths file's paths; None when its key is another than "jsonpaths", which means 'auto'."""
    text = await storage.content(url)
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise storage.failure("Invalid JSONPath format: the file is not one JSON object", url) from None
    if list(document) != ["jsonpaths"]:
        return None
    expressions = document["jsonpaths"]
    paths = []
    for expression in expressions if isinstance(expressions, list) else [None]:
        try:
            if not isinstance(expression, str):
                raise ValueError
            paths.append(json_path(expression))
        except ValueError:
            raise storage.failure(
                "Invalid JSONPath format. Supported notations are 'dot-notation' and 'bracket-notation': "
                f"{expression}",
                url,
            ) from None
    return paths


async def run_copy(sql: str, session: CopySession, s3: S3Settings) -> int:
    """Run a COPY statement in the session's transaction; returns the rows that were loaded.

    Raises RedshiftError: the transaction has to be rolled back. What was wrong with the data stays in the
    system views.
    """
    command = parse(sql)
    storage = Storage(s3, session.session_id)
    table, columns = await _target(command, session)
    load = await _prepared(command, columns, storage)
    objects = await (storage.listed(command.source) if command.manifest else storage.under(command.source))
    ((query_id, user_id, transaction_id, start, was_empty),) = await session.query(
        "select nextval('sandbox.query_id'), "  # noqa: S608 - the table's name is quoted
        "(select oid from pg_catalog.pg_roles where rolname = current_user), "
        "pg_current_xact_id(), clock_timestamp()::timestamp, "
        + (f"not exists (select from {command.table})" if command.analyze is None else "false")
    )
    names = ", ".join(_quoted(column.name) for column in columns)
    target = f"COPY {command.table} ({names}) FROM STDIN WITH (FORMAT text, ENCODING 'UTF8')"
    record = _Record(session, table, command, (query_id, user_id, transaction_id, start))
    chunks = _converted(command, load, objects, storage)
    try:
        if command.load:
            count = await session.copy_in(target, chunks)
        else:
            async for _ in chunks:
                pass
            count = 0
    except LoadFailed:
        await record.write(load, objects, "failed")
        raise RedshiftError(
            "XX000",
            f"Load into table '{table.name}' failed.  "
            "Check 'sys_load_error_detail' system table for details.",
        ) from None
    await record.write(load, objects, "completed")
    if command.load:
        await session.query(
            f"select set_config('sandbox.copy_count', '{count}', false), "
            f"set_config('sandbox.copy_id', '{query_id}', false)"
        )
        if command.analyze or (command.analyze is None and was_empty == "t"):
            await session.query(f"ANALYZE {command.table}")
    _tell(session, table, load, count)
    return count


@dataclass(frozen=True)
class _Table:
    oid: int
    name: str


async def _target(command: CopyCommand, session: CopySession) -> tuple[_Table, list[Column]]:
    name = command.table.rpartition(".")[2][1:-1].replace('""', '"')
    literal = command.table.replace("'", "''")
    rows = await session.query(
        "select attribute.attrelid, attribute.attname, type.typname, attribute.atttypmod, "  # noqa: S608 - quoted
        "attribute.attnotnull, attribute.attidentity, attribute.attgenerated "
        "from pg_catalog.pg_attribute as attribute "
        "join pg_catalog.pg_type as type on type.oid = attribute.atttypid "
        f"where attribute.attrelid = pg_catalog.to_regclass('{literal}') "
        "and attribute.attnum > 0 and not attribute.attisdropped order by attribute.attnum"
    )
    if not rows:
        raise RedshiftError("XX000", f"Cannot COPY into nonexistent table {name}")
    known = {str(row[1]): row for row in rows}
    if command.columns is None:
        wanted = [column for column, row in known.items() if row[5] != "a"]
    else:
        wanted = [column[1:-1].replace('""', '"') for column in command.columns]
    for each in wanted:
        if each not in known:
            raise RedshiftError("42703", f'column "{each}" of relation "{name}" does not exist')
        if known[each][5] == "a":
            raise RedshiftError(
                "0A000", f'COPY into the IDENTITY column "{each}" is not supported by the sandbox'
            )
    return _Table(int(str(rows[0][0])), name), [_column(known[each]) for each in wanted]


def _column(row: tuple[str | None, ...]) -> Column:
    """PostgreSQL's type modifier holds the length, or precision and scale, plus 4."""
    name, kind, modifier, is_required = str(row[1]), str(row[2]), int(str(row[3])), row[4] == "t"
    if modifier < 4:
        return Column(name, kind, None, None, is_required)
    if kind == "numeric":
        return Column(name, kind, (modifier - 4) >> 16, (modifier - 4) & 0x7FF, is_required)
    if kind in ("varchar", "bpchar"):
        return Column(name, kind, modifier - 4, None, is_required)
    return Column(name, kind, None, None, is_required)


async def _prepared(command: CopyCommand, columns: list[Column], storage: Storage) -> Load:
    converters = [converter(column, command.options) for column in columns]
    paths = await _paths(storage, command.json) if command.json.startswith("s3://") else None
    if paths is not None:
        if len(paths) != len(columns):
            raise storage.failure(
                "Number of jsonpaths and the number of columns should match. "
                f"JSONPath size: {len(paths)}, Number of columns in table or column list: {len(columns)}"
            )
        select = by_path(paths)
    elif command.json == "noshred":
        if [column.type for column in columns] != ["jsonb"]:
            raise storage.failure("JSON 'noshred' needs a table with a single column of type SUPER")
        select = whole_document
    else:
        select = by_name([column.name for column in columns], command.json == "auto ignorecase")
    return Load(command.maximum_errors, command.replacement, columns, converters, select)


async def _converted(
    command: CopyCommand, load: Load, objects: Sequence[S3Object], storage: Storage
) -> AsyncIterator[bytes]:
    """COPY input. While PostgreSQL takes a block, the next one is converted and the one after it is read."""
    converting: asyncio.Task[bytes] | None = None
    try:
        async for each, chunks in storage.contents(objects):
            try:
                async for line, block in blocks(chunks, command.compression, command.skipped_lines):
                    converted = b"" if converting is None else await converting
                    load.bytes_read += len(block)
                    converting = asyncio.ensure_future(asyncio.to_thread(load.block, each.url, line, block))
                    if converted:
                        yield converted
            except Corrupt as error:
                load.errors.append(
                    LoadError(each.url, 0, 1200, f"{(command.compression or '').upper()} failed: {error}", "")
                )
                raise LoadFailed from None
        if converting is not None:
            yield await converting
    finally:
        if converting is not None:
            converting.cancel()


def _tell(session: CopySession, table: _Table, load: Load, count: int) -> None:
    if load.replaced_rows:
        session.notice(
            f"Load into table '{table.name}' completed, {load.replaced_rows} record(s) were loaded with "
            "replacements made for ACCEPTINVCHARS. Check 'stl_replacements' system table for details."
        )
    session.notice(f"Load into table '{table.name}' completed, {count} record(s) loaded successfully.")
    if load.errors:
        session.notice(
            f"Load into table '{table.name}' completed, {len(load.errors)} record(s) could not be loaded. "
            "Check 'sys_load_error_detail' system table for details."
        )


class _Record:
    """What a COPY leaves in the system views, whatever becomes of its transaction."""

    def __init__(
        self,
        session: CopySession,
        table: _Table,
        command: CopyCommand,
        origin: tuple[str | None, ...],
    ) -> None:
        self._session = session
        self._table = table
        self._command = command
        self._query_id, self._user_id, self._transaction_id, self._start = map(str, origin)

    async def write(self, load: Load, objects: Sequence[S3Object], status: str) -> None:
        statements = []
        if load.errors:
            rows = ", ".join(self._error(error) for error in load.errors)
            statements.append(f"insert into sandbox.load_errors values {rows}")  # noqa: S608 - all are quoted
        if load.replacements:
            rows = ", ".join(
                f"({self._user_id}, {self._query_id}, {self._table.oid}, {_literal(file)}, {line}, '', "
                f"{_literal(raw)}, {self._session.session_id})"
                for file, line, raw in load.replacements
            )
            statements.append(f"insert into sandbox.replacements values {rows}")  # noqa: S608 - all are quoted
        loaded = load.rows if status == "completed" else 0
        values = (
            *(self._user_id, self._query_id, self._transaction_id, str(self._session.session_id)),
            *(_literal(self._session.database), _literal(status), _literal(self._table.name)),
            *(str(self._table.oid), f"'{self._start}'", "clock_timestamp()::timestamp"),
            f"(extract(epoch from clock_timestamp()::timestamp - '{self._start}') * 1000000)::bigint",
            *(_literal(self._command.source), "'json'", str(loaded), str(load.bytes_read)),
            *(str(len(objects)), str(sum(each.size for each in objects)), str(len(objects))),
            *(str(len(load.errors)), "null"),
        )
        statements.append(f"insert into sandbox.loads values ({', '.join(values)})")  # noqa: S608 - all are quoted
        await self._session.record("; ".join(statements))

    def _error(self, error: LoadError) -> str:
        column = error.column
        name, kind, length = (column.name, column.type, column.shown_length) if column else ("", "", "0")
        values = (
            *(self._user_id, self._query_id, self._transaction_id, str(self._session.session_id)),
            *(_literal(self._session.database), str(self._table.oid), f"'{self._start}'"),
            *(_literal(error.file), str(error.line), _literal(name)),
            *(_literal(kind.replace("bpchar", "char")), _literal(length), str(error.position)),
            *(str(error.code), _literal(error.message), _literal(error.raw_line)),
            _literal(shown(error.value.encode())),
        )
        return f"({', '.join(values)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("\0", ".").replace("'", "''") + "'"
