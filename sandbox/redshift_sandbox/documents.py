"""JSON texts: their bytes in blocks of whole documents, and what of a document goes to which column.

Redshift Database Developer Guide, copy-parameters-data-format and copy-usage_notes-copy-from-json.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import zstandard

# The largest JSON object or array.
LARGEST_DOCUMENT = 4 * 1024 * 1024
# Decompressed bytes that are parsed and converted at once.
_BLOCK = 1024 * 1024
# Compressed bytes that are read at once: they may become thousands of times as many.
_COMPRESSED = 1024

Select = Callable[[list[Any]], list[Sequence[object]]]

# Numbers keep their digits.
DECODER = msgspec.json.Decoder(float_hook=Decimal)


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]|"', re.DOTALL)


def documents(block: bytes) -> Iterator[tuple[int, int]]:
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


def _complete(block: bytes) -> int:
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
        return _complete(block)
    following = block[end : end + 64].lstrip()
    if following and following[:1] not in (b"{", b"["):
        return _complete(block)
    try:
        DECODER.decode_lines(block[block.rfind(b"\n", 0, end - 1) + 1 : end])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _complete(block)
    return end


async def blocks(
    chunks: AsyncIterator[bytes], compression: str | None, skipped_lines: int
) -> AsyncIterator[tuple[int, bytes]]:
    """An object's text in blocks of whole documents, each with the number of its first line."""
    line, pending = 1, b""
    async for text in _texts(chunks, compression):
        pending += text
        while skipped_lines and b"\n" in pending:
            pending = pending[pending.index(b"\n") + 1 :]
            line += 1
            skipped_lines -= 1
        if skipped_lines or len(pending) < _BLOCK:
            continue
        end = _cut(pending)
        if end == 0 and len(pending) > _BLOCK + LARGEST_DOCUMENT:
            end = len(pending)  # no document is as large as that: it will be reported
        if end:
            yield line, pending[:end]
            line += pending.count(b"\n", 0, end)
            pending = pending[end:]
    if pending.strip() and not skipped_lines:
        yield line, pending


class Corrupt(Exception):
    """Compressed data that cannot be read."""


async def _texts(chunks: AsyncIterator[bytes], compression: str | None) -> AsyncIterator[bytes]:
    """An object's text, decompressed, in pieces of a block at most."""
    pieces: list[bytes] = []
    size = 0
    async for piece in _decompressed(chunks, compression):
        for start in range(0, len(piece), _BLOCK):
            part = piece[start : start + _BLOCK]
            if size + len(part) > _BLOCK:
                yield b"".join(pieces)
                pieces, size = [], 0
            pieces.append(part)
            size += len(part)
    yield b"".join(pieces)


async def _decompressed(chunks: AsyncIterator[bytes], compression: str | None) -> AsyncIterator[bytes]:
    """Raises Corrupt. Several gzip members or zstd frames may follow each other."""
    member: Any = None
    async for chunk in chunks:
        if compression is None:
            yield chunk
            continue
        for start in range(0, len(chunk), _COMPRESSED):
            data = chunk[start : start + _COMPRESSED]
            while data:
                member = member or _DECOMPRESSORS[compression]()
                try:
                    yield member.decompress(data)
                except (zlib.error, zstandard.ZstdError) as error:
                    raise Corrupt(str(error)) from None
                data = member.unused_data
                if member.eof:
                    member = None
    if member is not None:
        raise Corrupt("the file ends within its compressed data")


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


# Documents to columns


def by_name(names: Sequence[str], ignore_case: bool) -> Select:
    def select(documents: list[Any]) -> list[Sequence[object]]:
        if ignore_case:
            documents = [{name.lower(): value for name, value in each.items()} for each in documents]
        return [[each.get(name) for each in documents] for name in names]

    return select


def whole_document(documents: list[Any]) -> list[Sequence[object]]:
    return [documents]


def by_path(paths: list[list[str | int]]) -> Select:
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
    return document


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
