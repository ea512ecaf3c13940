"""Rows on their way from JSON documents to COPY input, and what was wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from redshift_sandbox.conversion import BadValue, Column, Convert, text_of
from redshift_sandbox.documents import DECODER, LARGEST_DOCUMENT, Select, documents

_LOGGED_REPLACEMENTS = 100


class LoadFailed(Exception):
    """Too many errors."""


@dataclass
class LoadError:
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
class Load:
    """The converting of one COPY: what it reads with, and what went wrong so far."""

    maximum_errors: int
    replacement: str | None
    columns: Sequence[Column]
    converters: Sequence[Convert]
    select: Select
    errors: list[LoadError] = field(default_factory=list)
    replacements: list[tuple[str, int, str]] = field(default_factory=list)
    replaced_rows: int = 0
    rows: int = 0
    bytes_read: int = 0

    def block(self, file: str, first_line: int, block: bytes) -> bytes:
        """Whole documents as COPY input. Raises LoadFailed."""
        if self.replacement is not None:
            block = self._with_replacements(file, first_line, block)
        if len(block) > LARGEST_DOCUMENT:
            return b"".join(self._one_by_one(file, first_line, block))
        try:
            fields = self._fields(DECODER.decode_lines(block))
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
        for start, end in documents(block):
            text = block[start:end]
            line = first_line + block.count(b"\n", 0, end - 1)
            raw_line = shown(text)
            if len(text) > LARGEST_DOCUMENT:
                message = f"JSON object exceeds the limit of {LARGEST_DOCUMENT} bytes"
                self._report(LoadError(file, line, 1216, message, raw_line))
                continue
            try:
                document = DECODER.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._report(self._undecodable(file, line, text, error))
                continue
            try:
                chosen = self.select([document])
            except (AttributeError, TypeError):
                self._report(
                    LoadError(file, line, 1216, "JSON document is not of the expected structure", raw_line)
                )
                continue
            row = []
            for column, convert, values in zip(self.columns, self.converters, chosen, strict=True):
                try:
                    row += convert(values)
                except BadValue as bad:
                    value = bad.value or text_of(values[0])
                    error_row = LoadError(
                        file, line, bad.code, bad.message, raw_line, column, value, bad.position
                    )
                    self._report(error_row)
                    break
            else:
                self.rows += 1
                yield ("\t".join(row) + "\n").encode()

    def _undecodable(self, file: str, line: int, text: bytes, error: Exception) -> LoadError:
        try:
            text.decode()
        except UnicodeDecodeError as wrong:
            return self._invalid_characters(file, line, text, wrong)
        return LoadError(file, line, 1216, f"Invalid JSON: {error}", shown(text))

    def _invalid_characters(self, file: str, line: int, text: bytes, wrong: UnicodeDecodeError) -> LoadError:
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
            document = DECODER.decode(marked.decode(errors="replace"))
            for each, values in zip(self.columns, self.select([document]), strict=True):
                if "\ufffd" in text_of(values[0]):
                    column, value = each, text_of(values[0])
                    break
        except (msgspec.DecodeError, AttributeError, TypeError):
            pass  # the document has more wrong with it than its characters
        return LoadError(file, line, 1220, message, shown(text), column, value)

    def _with_replacements(self, file: str, first_line: int, block: bytes) -> bytes:
        """Each byte of an invalid character becomes the replacement (ACCEPTINVCHARS)."""
        assert self.replacement is not None
        mark = self.replacement.encode()
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
            self.replacements.append((file, line, shown(block.split(b"\n")[line - first_line])))
        return b"".join([*parts, block[at:]])

    def _report(self, error: LoadError) -> None:
        self.errors.append(error)
        if len(self.errors) >= max(1, self.maximum_errors):
            raise LoadFailed


def shown(text: bytes) -> str:
    """As STL_LOAD_ERRORS shows a line: a multibyte character is a period."""
    return re.sub(r"[^\x01-\x7f]", ".", text.decode(errors="replace"))[:1024]
