"""COPY from S3: the statement, the objects it names, and their rows on the way into PostgreSQL.

Redshift Database Developer Guide: r_COPY, copy-parameters-data-source-s3, copy-parameters-data-format,
copy-parameters-data-conversion, copy-parameters-data-load, copy-usage_notes-copy-from-json,
r_Load_Error_Reference. The texts of errors that those pages do not have are the sandbox's own, unless they
are known from reports of users; the codes are those of the load error reference.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import obstore
import zstandard
from obstore.exceptions import BaseError
from obstore.store import S3Store

from redshift_sandbox import dialect
from redshift_sandbox.conversion import BadValue, Column, Convert, Options, converter, text_of
from redshift_sandbox.definitions import Reader
from redshift_sandbox.errors import RedshiftError
from redshift_sandbox.s3 import S3Settings

# Decompressed bytes that are parsed and converted at once.
_BLOCK = 1024 * 1024
# Compressed bytes that are read at once: they may become a hundred times as many.
_COMPRESSED = 16 * 1024
# Objects up to this size are fetched whole, so many at a time; larger ones are streamed, one at a time.
_SMALL = 1024 * 1024
_CONCURRENT = 32
# The largest JSON object or array (copy-parameters-data-format).
_LARGEST_DOCUMENT = 4 * 1024 * 1024
_LARGEST_MAXERROR = 100_000
_LOGGED_REPLACEMENTS = 100

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_URL = re.compile(r"s3://(?P<bucket>[^/]+)/?(?P<key>.*)", re.DOTALL)

_decoder = msgspec.json.Decoder(float_hook=Decimal)


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
_NOT_WITH_JSON = frozenset(
    "csv delimiter escape fillrecord fixedwidth ignoreblanklines null readratio removequotes".split()
)
_UNSUPPORTED = frozenset(
    "avro bzip2 encrypted explicit_ids ignoreallerrors lzop master_symmetric_key orc parquet shapefile ssh "
    "quote job".split()
)


def parse(sql: str) -> CopyCommand:
    """Read a COPY statement. Raises RedshiftError: 42601, or 0A000 for an option that is refused."""
    reader = Reader(sql, dialect.tokens(sql))
    reader.expect("copy")
    table = reader.qualified_name()
    columns = tuple(reader.names()) if reader.look() == "(" else None
    reader.expect("from")
    source = reader.string()
    if not _URL.fullmatch(source):
        raise dialect.unsupported(f"COPY from '{source}', which is not in Amazon S3,")
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
        raise dialect.unsupported("COPY of another format than JSON")
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
            raise dialect.unsupported(f"COPY FORMAT {reader.look().upper()}")
    elif word == "json":
        reader.accept("as")
        found["json"] = reader.string() if reader.look().startswith("'") else "auto"
        if found["json"] not in ("auto", "auto ignorecase", "noshred") and not _URL.fullmatch(found["json"]):
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
            raise dialect.unsupported(f"COPY ENCODING {value}")
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
        raise dialect.unsupported(f"COPY {word.upper()}")
    else:
        raise dialect.syntax_error(word)


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


# S3


@dataclass(frozen=True)
class _Object:
    url: str
    bucket: str
    key: str
    size: int


class _Storage:
    """The S3 server, and its failures as Redshift reports them."""

    def __init__(self, settings: S3Settings, session: CopySession) -> None:
        self._settings = settings
        self._session = session
        self._stores: dict[str, S3Store] = {}

    def store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            self._stores[bucket] = S3Store(
                bucket,
                endpoint=self._settings.endpoint,
                access_key_id=self._settings.access_key,
                secret_access_key=self._settings.secret_key,
                region=self._settings.region,
                virtual_hosted_style_request=False,
                client_options={"allow_http": True},
            )
        return self._stores[bucket]

    def failure(self, message: str, context: str = "") -> RedshiftError:
        """An error that comes before the load, in Redshift's form."""
        detail = (
            "\n  -----------------------------------------------"
            f"\n  error:  {message}"
            "\n  code:      8001"
            f"\n  context:   {context}"
            "\n  query:     0"
            "\n  location:  copy.py"
            f"\n  process:   padbmaster [pid={self._session.session_id}]"
            "\n  -----------------------------------------------\n"
        )
        return RedshiftError("XX000", message, detail)

    def refused(self, error: Exception, context: str, prefix: str = "") -> RedshiftError:
        """What S3 answered, in the words that Redshift passes on."""
        answer = str(error)
        code = re.search(r"<Code>([^<]+)</Code>", answer)
        message = re.search(r"<Message>([^<]*)</Message>", answer)
        status = re.search(r"status code: (\d+)", answer)
        if code is None or status is None:
            return self.failure(f"{prefix}S3ServiceException:{answer.splitlines()[0]}", context)
        text = message[1] if message else code[1]
        return self.failure(
            f"{prefix}S3ServiceException:{text},Status {status[1]},Error {code[1]},"
            "Rid 0000000000000000,ExtRid 0,CanRetry 1",
            context,
        )

    async def under(self, url: str) -> list[_Object]:
        """The objects whose keys begin with a prefix, in the order of their keys."""
        bucket, prefix = _split(url)
        folder = prefix.rpartition("/")[0]
        context = f"Listing bucket={bucket} prefix={prefix}"
        objects = []
        try:
            async for page in obstore.list(self.store(bucket), folder or None):
                objects += [
                    _Object(f"s3://{bucket}/{each['path']}", bucket, each["path"], each["size"])
                    for each in page
                    if each["path"].startswith(prefix) and not each["path"].endswith("/")
                ]
        except BaseError as error:
            raise self.refused(error, context) from error
        if not objects:
            raise self.failure(f"The specified S3 prefix '{prefix}' does not exist")
        return sorted(objects, key=lambda each: each.key)

    async def content(self, url: str, prefix: str = "") -> bytes:
        """A small file that the statement itself names."""
        bucket, key = _split(url)
        try:
            answer = await obstore.get_async(self.store(bucket), key)
            return bytes(await answer.bytes_async())
        except (BaseError, FileNotFoundError) as error:
            raise self.refused(error, f"S3 key being read : {url}", prefix) from error

    async def listed(self, url: str) -> list[_Object]:
        """The objects that a manifest lists, as often and in the order as it lists them."""
        text = await self.content(url, "Problem reading manifest file - ")
        try:
            manifest = msgspec.json.decode(text, type=_Manifest)
        except msgspec.DecodeError:
            raise self.failure(
                "Manifest file is not in correct json format", f"Manifest file location = {url}"
            ) from None

        async def found(entry: _Entry) -> _Object | None:
            if not _URL.fullmatch(entry.url):
                raise self.failure(
                    f"Invalid url in manifest file: {entry.url}", f"Manifest file location = {url}"
                )
            bucket, key = _split(entry.url)
            try:
                size = (await obstore.head_async(self.store(bucket), key))["size"]
            except FileNotFoundError:
                if entry.mandatory:
                    raise self.failure(
                        "Mandatory url is not present in manifest file.",
                        f"Manifest file location = {url} url = {entry.url}",
                    ) from None
                return None
            except BaseError as error:
                raise self.refused(error, f"S3 key being read : {entry.url}") from error
            return _Object(entry.url, bucket, key, size)

        objects: list[_Object] = []
        for start in range(0, len(manifest.entries), _CONCURRENT):
            some = manifest.entries[start : start + _CONCURRENT]
            objects += [each for each in await asyncio.gather(*map(found, some)) if each is not None]
        return objects

    async def contents(
        self, objects: Sequence[_Object]
    ) -> AsyncIterator[tuple[_Object, AsyncIterator[bytes]]]:
        """Each object with its bytes; the small ones after it are fetched meanwhile."""
        waiting = deque(objects)
        fetching: deque[tuple[_Object, asyncio.Task[bytes] | None]] = deque()
        try:
            while waiting or fetching:
                while waiting and len(fetching) < _CONCURRENT:
                    each = waiting.popleft()
                    small = each.size <= _SMALL
                    fetching.append((each, asyncio.ensure_future(self._whole(each)) if small else None))
                each, task = fetching.popleft()
                yield each, (self._stream(each) if task is None else _one(task))
        finally:
            for _, task in fetching:
                if task is not None:
                    task.cancel()

    async def _whole(self, each: _Object) -> bytes:
        return await self.content(each.url)

    async def _stream(self, each: _Object) -> AsyncIterator[bytes]:
        try:
            answer = await obstore.get_async(self.store(each.bucket), each.key)
            async for chunk in answer.stream(_BLOCK):
                yield bytes(chunk)
        except (BaseError, FileNotFoundError) as error:
            raise self.refused(error, f"S3 key being read : {each.url}") from error


class _Entry(msgspec.Struct):
    url: str
    mandatory: bool = False


class _Manifest(msgspec.Struct):
    entries: list[_Entry]


async def _one(task: asyncio.Task[bytes]) -> AsyncIterator[bytes]:
    yield await task


def _split(url: str) -> tuple[str, str]:
    found = _URL.fullmatch(url)
    assert found is not None
    return found["bucket"], found["key"]


# Bytes to rows


class _LoadFailed(Exception):
    """Too many errors."""


@dataclass
class _Error:
    """One row of SYS_LOAD_ERROR_DETAIL."""

    file: str
    line: int
    code: int
    message: str
    raw_line: str
    column: Column | None = None
    value: str = ""
    position: int = 0


@dataclass
class _Load:
    """The converting of one COPY: what it reads with, and what went wrong so far."""

    command: CopyCommand
    columns: Sequence[Column]
    converters: Sequence[Convert]
    select: Callable[[list[Any]], list[Sequence[object]]]
    errors: list[_Error] = field(default_factory=list)
    replacements: list[tuple[str, int, str]] = field(default_factory=list)
    replaced_rows: int = 0
    rows: int = 0
    bytes_read: int = 0

    def block(self, file: str, first_line: int, block: bytes) -> bytes:
        """Whole documents as COPY input. Raises _LoadFailed."""
        if self.command.replacement is not None:
            block = self._with_replacements(file, first_line, block)
        if len(block) > _LARGEST_DOCUMENT:
            return b"".join(self._one_by_one(file, first_line, block))
        try:
            fields = self._fields(_decoder.decode_lines(block))
        except (msgspec.DecodeError, UnicodeDecodeError, BadValue, AttributeError, TypeError):
            return b"".join(self._one_by_one(file, first_line, block))
        if not fields:
            return b""
        rows = list(zip(*fields, strict=True))
        self.rows += len(rows)
        return ("\n".join(map("\t".join, rows)) + "\n").encode()

    def _fields(self, documents: list[Any]) -> list[list[str]]:
        if not documents:
            return []
        chosen = self.select(documents)
        return [convert(values) for convert, values in zip(self.converters, chosen, strict=True)]

    def _one_by_one(self, file: str, first_line: int, block: bytes) -> Iterator[bytes]:
        """The slow way, which finds what is wrong and where."""
        for start, end in _documents(block):
            text = block[start:end]
            line = first_line + block.count(b"\n", 0, end - 1)
            raw_line = _shown(text)
            if len(text) > _LARGEST_DOCUMENT:
                message = f"JSON object exceeds the limit of {_LARGEST_DOCUMENT} bytes"
                self._report(_Error(file, line, 1216, message, raw_line))
                continue
            try:
                document = _decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._report(self._undecodable(file, line, text, error))
                continue
            try:
                chosen = self.select([document])
            except (AttributeError, TypeError):
                self._report(
                    _Error(file, line, 1216, "JSON document is not of the expected structure", raw_line)
                )
                continue
            row = []
            for column, convert, values in zip(self.columns, self.converters, chosen, strict=True):
                try:
                    row += convert(values)
                except BadValue as bad:
                    value = bad.value or text_of(values[0])
                    error_row = _Error(
                        file, line, bad.code, bad.message, raw_line, column, value, bad.position
                    )
                    self._report(error_row)
                    break
            else:
                self.rows += 1
                yield ("\t".join(row) + "\n").encode()

    def _undecodable(self, file: str, line: int, text: bytes, error: Exception) -> _Error:
        try:
            text.decode()
        except UnicodeDecodeError as wrong:
            return self._invalid_characters(file, line, text, wrong)
        return _Error(file, line, 1216, f"Invalid JSON: {error}", _shown(text))

    def _invalid_characters(self, file: str, line: int, text: bytes, wrong: UnicodeDecodeError) -> _Error:
        """Error 1220, with the column that has the bytes (multi-byte-character-load-errors)."""
        bad = text[wrong.start : wrong.end]
        kind = 2 if "continuation" in wrong.reason or "end of data" in wrong.reason else 3
        message = (
            "String contains invalid or unsupported UTF8 codepoints. "
            f"Bad UTF8 hex sequence: {bad.hex(' ')} (error {kind})"
        )
        marked = text.replace(bad, b"\\ufffd")
        column, value = None, ""
        try:
            document = _decoder.decode(marked.decode(errors="replace"))
            for each, values in zip(self.columns, self.select([document]), strict=True):
                if "\ufffd" in text_of(values[0]):
                    column, value = each, text_of(values[0])
                    break
        except (msgspec.DecodeError, AttributeError, TypeError):
            pass  # the document has more wrong with it than its characters
        return _Error(file, line, 1220, message, _shown(text), column, value)

    def _with_replacements(self, file: str, first_line: int, block: bytes) -> bytes:
        """Each byte of an invalid character becomes the replacement (ACCEPTINVCHARS)."""
        assert self.command.replacement is not None
        mark = self.command.replacement.encode()
        parts, at, rows = [], 0, set()
        while True:
            try:
                block[at:].decode()
            except UnicodeDecodeError as wrong:
                start, end = at + wrong.start, at + wrong.end
                parts += [block[at:start], mark * (end - start)]
                rows.add(first_line + block.count(b"\n", 0, start))
                at = end
            else:
                break
        if not parts:
            return block
        self.replaced_rows += len(rows)
        for line in sorted(rows)[: _LOGGED_REPLACEMENTS - len(self.replacements)]:
            self.replacements.append((file, line, _shown(block.split(b"\n")[line - first_line])))
        return b"".join([*parts, block[at:]])

    def _report(self, error: _Error) -> None:
        self.errors.append(error)
        if len(self.errors) >= max(1, self.command.maximum_errors):
            raise _LoadFailed


def _shown(text: bytes) -> str:
    """As STL_LOAD_ERRORS shows a line: a multibyte character is a period."""
    return re.sub(r"[^\x01-\x7f]", ".", text.decode(errors="replace"))[:1024]


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]|"', re.DOTALL)


def _documents(block: bytes) -> Iterator[tuple[int, int]]:
    """Where each object or array of a text begins and ends, and each piece of anything else between them."""
    at, depth, start = 0, 0, 0
    for found in _STRUCTURE.finditer(block):
        token = found[0]
        if token in b"{[":
            if depth == 0:
                yield from _pieces(block, at, found.start())
                start = found.start()
            depth += 1
        elif token in b"}]" and depth > 0:
            depth -= 1
            if depth == 0:
                yield start, found.end()
                at = found.end()
    if depth > 0:
        yield start, len(block.rstrip())
    else:
        yield from _pieces(block, at, len(block))


def _pieces(block: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    for found in re.finditer(rb"[^\s][^\n]*", block[start:end]):
        yield start + found.start(), start + found.start() + len(found[0].rstrip())


def _is_complete(block: bytes) -> int:
    """How many bytes of a text are whole documents; what follows may go on in the next bytes."""
    depth, complete = 0, 0
    for found in _STRUCTURE.finditer(block):
        token = found[0]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth = max(0, depth - 1)
            if depth == 0:
                complete = found.end()
        elif token == b'"':
            break
    return complete


def _cut(block: bytes) -> int:
    """Where to cut a text so that no document is: after a line, or after the last whole document."""
    end = block.rfind(b"\n") + 1
    if end == 0 or block[:end].rstrip()[-1:] not in (b"}", b"]"):
        return _is_complete(block)
    following = block[end : end + 64].lstrip()
    if following and following[:1] not in (b"{", b"["):
        return _is_complete(block)
    try:
        _decoder.decode_lines(block[block.rfind(b"\n", 0, end - 1) + 1 : end])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _is_complete(block)
    return end


async def _blocks(
    chunks: AsyncIterator[bytes], compression: str | None, skipped_lines: int
) -> AsyncIterator[tuple[int, bytes]]:
    """An object's text in blocks of whole documents, each with the number of its first line."""
    line, pending = 1, b""
    async for text in _decompressed(chunks, compression):
        pending += text
        while skipped_lines and b"\n" in pending:
            pending = pending[pending.index(b"\n") + 1 :]
            line += 1
            skipped_lines -= 1
        if skipped_lines or len(pending) < _BLOCK:
            continue
        end = _cut(pending)
        if end == 0 and len(pending) > _BLOCK + _LARGEST_DOCUMENT:
            end = len(pending)  # no document is as large as that: it will be reported
        if end:
            yield line, pending[:end]
            line += pending.count(b"\n", 0, end)
            pending = pending[end:]
    if pending.strip() and not skipped_lines:
        yield line, pending


class _Corrupt(Exception):
    """Compressed data that cannot be read."""


async def _decompressed(chunks: AsyncIterator[bytes], compression: str | None) -> AsyncIterator[bytes]:
    if compression is None:
        async for chunk in chunks:
            yield chunk
        return
    read = _gunzip() if compression == "gzip" else _unzstd()
    next(read)
    async for chunk in chunks:
        for start in range(0, len(chunk), _COMPRESSED):
            yield read.send(chunk[start : start + _COMPRESSED])
    read.send(b"")


def _gunzip() -> Any:
    """A coroutine from compressed bytes to their text; several members follow each other."""
    data = yield b""
    member: Any = None
    while True:
        if not data:
            if member is not None:
                raise _Corrupt("the file ends within its compressed data")
            yield b""
            return
        texts = []
        try:
            while data:
                member = member or zlib.decompressobj(wbits=31)
                texts.append(member.decompress(data))
                data = member.unused_data
                if member.eof:
                    member = None
        except zlib.error as error:
            raise _Corrupt(str(error)) from None
        data = yield b"".join(texts)


def _unzstd() -> Any:
    data = yield b""
    frame: Any = None
    while True:
        if not data:
            if frame is not None:
                raise _Corrupt("the file ends within its compressed data")
            yield b""
            return
        texts = []
        try:
            while data:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                texts.append(frame.decompress(data))
                data = frame.unused_data
                if frame.eof:
                    frame = None
        except zstandard.ZstdError as error:
            raise _Corrupt(str(error)) from None
        data = yield b"".join(texts)


# Documents to columns


def _by_name(columns: Sequence[Column], ignore_case: bool) -> Callable[[list[Any]], list[Sequence[object]]]:
    names = [column.name for column in columns]

    def select(documents: list[Any]) -> list[Sequence[object]]:
        if ignore_case:
            documents = [{name.lower(): value for name, value in each.items()} for each in documents]
        return [[each.get(name) for each in documents] for name in names]

    return select


def _whole_document(documents: list[Any]) -> list[Sequence[object]]:
    return [documents]


def _by_path(paths: list[list[str | int]]) -> Callable[[list[Any]], list[Sequence[object]]]:
    if all(len(path) == 1 and isinstance(path[0], int) for path in paths):
        places = [int(path[0]) for path in paths]
        needed = max(places, default=-1) + 1

        def select_places(documents: list[Any]) -> list[Sequence[object]]:
            if set(map(type, documents)) != {list}:
                raise TypeError
            lengths = set(map(len, documents))
            if len(lengths) > 1 or min(lengths) < needed:
                size = max(needed, *lengths)
                documents = [each + [None] * (size - len(each)) for each in documents]
            turned = list(zip(*documents, strict=True))
            return [turned[place] for place in places]

        return select_places

    def select(documents: list[Any]) -> list[Sequence[object]]:
        if not set(map(type, documents)) <= {list, dict}:
            raise TypeError
        return [[_at(each, path) for each in documents] for path in paths]

    return select


def _at(document: Any, path: list[str | int]) -> object:
    """The value that a path leads to; None where it leads nowhere."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(document, dict):
                return None
            document = document.get(step)
        elif isinstance(document, list) and step < len(document):
            document = document[step]
        else:
            return None
    return document  # type: ignore[no-any-return]


_BRACKET_STEP = re.compile(r"\['((?:[^'\\]|\\.)+)'\]|\[(\d+)\]")
_DOT_STEP = re.compile(r"\.([^.'\[\]]+)|\[(\d+)\]")


def json_path(text: str) -> list[str | int]:
    """The steps of a JSONPath expression, in bracket or dot notation. Raises ValueError."""
    if not text.startswith("$"):
        raise ValueError
    for notation in (_BRACKET_STEP, _DOT_STEP):
        steps: list[str | int] = []
        at = 1
        while at < len(text) and (found := notation.match(text, at)):
            steps.append(int(found[2]) if found[2] is not None else re.sub(r"\\(.)", r"\1", found[1]))
            at = found.end()
        if (
            at == len(text)
            and steps
            and not any(isinstance(step, str) and set(step) & set("*?@") for step in steps)
        ):
            return steps
    raise ValueError


async def _paths(storage: _Storage, url: str) -> list[list[str | int]] | None:
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
                f"Invalid JSONPath format. Supported notations are 'dot-notation' and 'bracket-notation': {expression}",
                url,
            ) from None
    return paths


# The whole


async def run_copy(sql: str, session: CopySession, s3: S3Settings) -> int:
    """Run a COPY statement in the session's transaction; returns the rows that were loaded.

    Raises RedshiftError: the transaction has to be rolled back. What was wrong with the data stays in the
    system views.
    """
    command = parse(sql)
    storage = _Storage(s3, session)
    table, columns = await _target(command, session)
    load = await _prepared(command, columns, storage)
    objects = await (storage.listed(command.source) if command.manifest else storage.under(command.source))
    ((query_id, user_id, transaction_id, start, was_empty),) = await session.query(
        "select nextval('sandbox.query_id'), (select oid from pg_catalog.pg_roles where rolname = current_user), "
        "pg_current_xact_id(), clock_timestamp()::timestamp, "
        + (f"not exists (select from {command.table})" if command.analyze is None else "false")
    )
    names = ", ".join(_quoted(column.name) for column in columns)
    target = f"COPY {command.table} ({names}) FROM STDIN WITH (FORMAT text, ENCODING 'UTF8')"
    record = _Record(session, table, command, (query_id, user_id, transaction_id, start))
    chunks = _converted(load, objects, storage)
    try:
        if command.load:
            count = await session.copy_in(target, chunks)
        else:
            async for _ in chunks:
                pass
            count = 0
    except _LoadFailed:
        await record.write(load, objects, "failed")
        raise RedshiftError(
            "XX000",
            f"Load into table '{table.name}' failed.  Check 'sys_load_error_detail' system table for details.",
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
        "select attribute.attrelid, attribute.attname, type.typname, attribute.atttypmod, "
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
    columns = [_column(str(known[each][1]), str(known[each][2]), int(str(known[each][3])), known[each][4] == "t")
               for each in wanted]  # fmt: skip
    return _Table(int(str(rows[0][0])), name), columns


def _column(name: str, kind: str, modifier: int, is_required: bool) -> Column:
    """PostgreSQL's type modifier holds the length, or precision and scale, plus 4."""
    if modifier < 4:
        return Column(name, kind, None, None, is_required)
    if kind == "numeric":
        return Column(name, kind, (modifier - 4) >> 16, (modifier - 4) & 0x7FF, is_required)
    if kind in ("varchar", "bpchar"):
        return Column(name, kind, modifier - 4, None, is_required)
    return Column(name, kind, None, None, is_required)


async def _prepared(command: CopyCommand, columns: list[Column], storage: _Storage) -> _Load:
    converters = [converter(column, command.options) for column in columns]
    paths = await _paths(storage, command.json) if command.json.startswith("s3://") else None
    if paths is not None:
        if len(paths) != len(columns):
            raise storage.failure(
                "Number of jsonpaths and the number of columns should match. "
                f"JSONPath size: {len(paths)}, Number of columns in table or column list: {len(columns)}"
            )
        select = _by_path(paths)
    elif command.json == "noshred":
        if [column.type for column in columns] != ["jsonb"]:
            raise storage.failure("JSON 'noshred' needs a table with a single column of type SUPER")
        select = _whole_document
    else:
        select = _by_name(columns, command.json == "auto ignorecase")
    return _Load(command, columns, converters, select)


async def _converted(load: _Load, objects: Sequence[_Object], storage: _Storage) -> AsyncIterator[bytes]:
    """COPY input. While PostgreSQL takes a block, the next one is converted and the one after it is read."""
    converting: asyncio.Task[bytes] | None = None
    try:
        async for each, chunks in storage.contents(objects):
            try:
                async for line, block in _blocks(
                    chunks, load.command.compression, load.command.skipped_lines
                ):
                    converted = b"" if converting is None else await converting
                    load.bytes_read += len(block)
                    converting = asyncio.ensure_future(asyncio.to_thread(load.block, each.url, line, block))
                    if converted:
                        yield converted
            except _Corrupt as error:
                load.errors.append(
                    _Error(
                        each.url, 0, 1200, f"{(load.command.compression or '').upper()} failed: {error}", ""
                    )
                )
                raise _LoadFailed from None
        if converting is not None:
            yield await converting
    finally:
        if converting is not None:
            converting.cancel()


def _tell(session: CopySession, table: _Table, load: _Load, count: int) -> None:
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

    async def write(self, load: _Load, objects: Sequence[_Object], status: str) -> None:
        statements = []
        if load.errors:
            rows = ", ".join(self._error(error) for error in load.errors)
            statements.append(f"insert into sandbox.load_errors values {rows}")
        if load.replacements:
            rows = ", ".join(
                f"({self._user_id}, {self._query_id}, {self._table.oid}, {_literal(file)}, {line}, '', "
                f"{_literal(raw)}, {self._session.session_id})"
                for file, line, raw in load.replacements
            )
            statements.append(f"insert into sandbox.replacements values {rows}")
        statements.append(
            "insert into sandbox.loads values ("
            f"{self._user_id}, {self._query_id}, {self._transaction_id}, {self._session.session_id}, "
            f"{_literal(self._session.database)}, '{status}', {_literal(self._table.name)}, {self._table.oid}, "
            f"'{self._start}', clock_timestamp()::timestamp, "
            f"(extract(epoch from clock_timestamp()::timestamp - '{self._start}') * 1000000)::bigint, "
            f"{_literal(self._command.source)}, 'json', {load.rows if status == 'completed' else 0}, "
            f"{load.bytes_read}, {len(objects)}, {sum(each.size for each in objects)}, {len(objects)}, "
            f"{len(load.errors)}, null)"
        )
        await self._session.record("; ".join(statements))

    def _error(self, error: _Error) -> str:
        column = error.column
        name, kind, length = (column.name, column.type, column.shown_length) if column else ("", "", "0")
        return (
            f"({self._user_id}, {self._query_id}, {self._transaction_id}, {self._session.session_id}, "
            f"{_literal(self._session.database)}, {self._table.oid}, '{self._start}', {_literal(error.file)}, "
            f"{error.line}, {_literal(name)}, {_literal(kind.replace('bpchar', 'char'))}, {_literal(length)}, "
            f"{error.position}, {error.code}, {_literal(error.message)}, {_literal(error.raw_line)}, "
            f"{_literal(_shown(error.value.encode()))})"
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("\0", ".").replace("'", "''") + "'"
