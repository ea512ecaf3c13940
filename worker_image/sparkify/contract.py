"""Reads a source's contract: what the fields of its lines are, and what to do when a line departs from it.

sql/staging/<source>/contract.toml is the only place that says so. The class of the records is made from it
here; staging's table, its COPY and docs/contract.md are written from it by `make contract`.
"""

import keyword
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sparkify.errors import UsageError

# allow: the line is staged. warn: it is staged and reported. quarantine: the line is. fail: the stage fails.
Action = Literal["allow", "warn", "quarantine", "fail"]

_TYPE = re.compile(r"(varchar)\(([1-9]\d{0,4})\)|integer|bigint|double precision|timestamp")
_GREATEST = {"integer": 2**31 - 1, "bigint": 2**63 - 1, "timestamp": 2**63 - 1}
_ENCODINGS = {"varchar": "zstd", "double precision": "zstd"}
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field of a line, and its column.

    `type` is the column's SQL type. A varchar(n) holds n bytes of UTF-8; a timestamp comes as milliseconds
    since 1970. `also` names a second JSON type that is taken for it: an integer for a varchar, a float for a
    bigint; the source's rules make it one. The defaults of the actions are in `action`.
    """

    type: str
    meaning: str
    column: str = ""
    required: bool = False
    also: Literal["integer", "float"] | None = None
    minimum: float | None = None
    maximum: float | None = None
    encode: str = ""
    added: date | None = None
    missing: Action | None = None
    wrong_type: Action = "quarantine"
    too_long: Action = "quarantine"

    @property
    def kind(self) -> str:
        """The type without its length."""
        return self.type.split("(")[0]

    @property
    def bytes(self) -> int | None:
        """Bytes that the column of a text holds."""
        found = _TYPE.fullmatch(self.type)
        return int(found[2]) if found and found[2] else None

    @property
    def definition(self) -> str:
        """The column's type, constraint and encoding as CREATE TABLE has them."""
        encoding = self.encode or _ENCODINGS.get(self.kind, "az64")
        return f"{self.type}{' not null' if self.required else ''} encode {encoding}"

    def action(self, reason: str) -> Action:
        """What to do with a line in which this field is wrong for a reason (sparkify.rows)."""
        if reason == "required":
            return self.missing or ("quarantine" if self.required else "allow")
        return {"type": self.wrong_type, "size": self.too_long}[reason]

    def problem(self) -> str | None:
        """What is wrong with this entry of the contract."""
        if not _TYPE.fullmatch(self.type):
            return f"type {self.type!r} is none of varchar(n), integer, bigint, double precision, timestamp"
        if self.also and (self.kind, self.also) not in {("varchar", "integer"), ("bigint", "float")}:
            return f"also {self.also!r} does not go with {self.type}"
        if self.bytes and (self.minimum is not None or self.maximum is not None):
            return "minimum and maximum are for numbers"
        if self.required and self.added:
            return "a field that was added cannot be required: older files lack it"
        if self.required and not {self.action(reason) for reason in ("required", "type", "size")} <= {
            "quarantine",
            "fail",
        }:
            return "a required field must be quarantine or fail in all that it may be"
        return None


class Unknown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with a line that has a field of which the contract does not know; `named` for some names."""

    action: Action = "warn"
    named: dict[str, Action] = {}


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields by their names in the source, in the order in which it writes them, added ones last."""

    meaning: str
    fields: dict[str, Field]
    unknown: Unknown = Unknown()

    @property
    def columns(self) -> dict[str, str]:
        """Each field's column by its name in the source."""
        return {name: field.column for name, field in self.fields.items()}

    @property
    def added(self) -> int:
        """How many fields were added since the source's first line was staged."""
        return sum(field.added is not None for field in self.fields.values())

    def action_on_unknown(self, name: str) -> Action:
        return self.unknown.named.get(name, self.unknown.action)

    def record(self, forbid_unknown_fields: bool = False) -> type[msgspec.Struct]:
        """The class of a line's record: an attribute for each column, in the order of the fields.

        A field is needed for decoding when its absence is not simply allowed.
        """
        attributes = [
            (field.column, _type(field))
            if field.action("required") != "allow"
            else (field.column, _type(field), None)
            for field in self.fields.values()
        ]
        return msgspec.defstruct(
            "Record",
            attributes,
            gc=False,
            kw_only=True,
            forbid_unknown_fields=forbid_unknown_fields,
            rename={field.column: name for name, field in self.fields.items()},
        )


def read(sql: Path, source: str) -> Contract:
    """The contract of a source.

    Raises:
        UsageError: the file is not one, or contradicts itself.
    """
    path = sql / "staging" / source / "contract.toml"
    try:
        contract = msgspec.toml.decode(path.read_bytes(), type=Contract)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    named = {
        name: field if field.column else msgspec.structs.replace(field, column=name)
        for name, field in contract.fields.items()
    }
    added = False
    for name, field in named.items():
        problem = field.problem()
        if added and not field.added:
            problem = "a field that was added comes last: older lines keep their content hash"
        if not _COLUMN.fullmatch(field.column) or keyword.iskeyword(field.column):
            problem = f"{field.column!r} is no name of a column"
        if problem:
            raise UsageError(f"{path}: {name}: {problem}")
        added = field.added is not None
    if len({field.column for field in named.values()}) < len(named):
        raise UsageError(f"{path}: two fields have the same column")
    return msgspec.structs.replace(contract, fields=named)


def _type(field: Field) -> Any:
    """The type that a decoder checks the field by. It counts a text's characters, of which there are never
    more than bytes."""
    accepted: Any
    if field.kind == "varchar":
        length = Meta(min_length=1 if field.required else 0, max_length=field.bytes)
        accepted = Annotated[str, length]
        if field.also == "integer":
            accepted = accepted | int
    else:
        least, most = field.minimum, field.maximum
        if field.kind == "double precision":
            accepted = Annotated[float, Meta(ge=least, le=most)]
        else:
            greatest = _GREATEST[field.kind]
            accepted = Annotated[
                int,
                Meta(
                    ge=int(max(-greatest - 1, least if least is not None else -greatest - 1)),
                    le=int(min(greatest, most)) if most is not None else greatest,
                ),
            ]
            if field.also == "float":
                accepted = accepted | Annotated[float, Meta(ge=least, lt=2.0**63)]
    return accepted if field.required else accepted | None
