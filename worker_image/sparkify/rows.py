"""Turns lines of JSON into rows for COPY, and says what is wrong with those that are not.

A row is one line: a JSON array of the record's fields in the order of the contract, followed by the lineage
and the content hash. The hash is the 128-bit XXH3 of the record's fields alone, after its rules have
normalised them: their values as compact UTF-8 JSON in which only what must be escaped is, joined by commas,
without the nulls at the end that belong to fields which were added to the contract. So neither the day, the
file and the line, nor the source's key order, white space, escapes and unknown fields change it, nor does a
contract that grows.

The last element is what a line has beyond its columns and its contract lets pass, a JSON object or null: the
fields of which the contract does not know, and values that their columns cannot hold.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO
from itertools import chain, repeat
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, Protocol

import msgspec
from xxhash import xxh3_128_hexdigest

from sparkify.contract import Action, Contract
from sparkify.lines import LONGEST, Block

# Lines are handled in batches of about this many bytes: the records of a batch stay in a core's cache.
_BATCH = 128 * 1024

_WITHIN_BRACKETS = itemgetter(slice(1, -2))  # of an array's line, its end included
_BACKSLASH = ord("\\")
_NUL = b"\\u0000"  # as JSON has it
_NULL = b",null"
# What SUPER holds (Redshift Database Developer Guide, limitations-super): bytes of a text, depth of nesting.
_SUPER_TEXT = 65535
_SUPER_DEPTH = 1000
# Digits of a DECIMAL, exponents of a DOUBLE PRECISION (r_Numeric_types201): its numbers are of these.
_DIGITS, _EXPONENT = 38, 307
# Bytes that a row's file, line and hash take at most, and those that a byte of a text does, escaped.
_LINEAGE = 8192
_ESCAPED = 6
# Departures of a block or file that are told by name, and characters of a name and of an example; a file can
# be made to have one more in each line.
MOST_NAMES = 1000
_SHOWN = 200
# The name under which departures are told that are too many to be told by name.
OTHERS = "(others)"
_BLANK = " \t\r\n\v\f"

_Refused = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Problem(NamedTuple):
    """Why a line cannot be staged as it is: `reason` for machines, `detail` for people.

    `field` is the one that is wrong by itself, so that the contract says what to do.
    """

    reason: str
    detail: str
    field: str | None = None


class Departure(msgspec.Struct, array_like=True):
    """How lines of a file depart from their contract, which lets them pass or fails the stage for it.

    `field` is its name as JSON has it, cut where it is long; `reason` is as a Problem's. `first_line`,
    `example` (the JSON of its value) and `detail` are the first one's.
    """

    field: str
    reason: str
    action: Action
    lines: int
    first_line: int
    example: str | None
    detail: str

    def add(self, other: "Departure") -> None:
        """Count other lines of the same file that depart in the same way."""
        self.lines += other.lines
        if other.first_line < self.first_line:
            self.first_line, self.example, self.detail = other.first_line, other.example, other.detail


Departures = dict[tuple[str, str], Departure]


def merge(into: Departures, more: Iterable[Departure]) -> None:
    """Add departures to those of the same file; beyond so many names, the rest is told as one."""
    for each in more:
        key = (each.field, each.reason)
        if key not in into and len(into) >= MOST_NAMES:
            key = (OTHERS, each.reason)
            each = msgspec.structs.replace(each, field=OTHERS)
        if key in into:
            into[key].add(each)
        else:
            into[key] = each


class Bad(NamedTuple):
    """A line that cannot be staged, with its number in the file and its bytes without the line's end."""

    line: int
    problem: Problem
    raw: bytes


class Rules(Protocol):
    """What is particular to one source's records beyond its contract."""

    def suspects(self, records: Sequence[Any]) -> list[int]:
        """The positions of the records that `problem` must look at; a quick look at each."""

    def problem(self, record: Any) -> Problem | None:
        """Normalise the record in place; what is wrong with it, if anything, its texts' sizes excepted."""


@dataclass
class Parsed:
    """What became of some lines: rows for COPY, bad lines, and departures from the contract."""

    rows: list[bytes] = field(default_factory=list)
    lines: int = 0
    loaded: int = 0
    blank: int = 0
    bad: list[Bad] = field(default_factory=list)
    departures: Departures = field(default_factory=dict)


def is_blank(text: str | None) -> bool:
    """Whether a text says nothing: null, empty, or only ASCII white space."""
    return text is None or not text.strip(_BLANK)


class _Texts:
    """Looks for texts that their columns cannot hold."""

    def __init__(self, contract: Contract):
        limits = [(name, field.column, field.bytes) for name, field in contract.fields.items() if field.bytes]
        self._limits = [(name, limit) for name, _, limit in limits]
        self._of = attrgetter(*(column for _, column, _ in limits))

    def problem(self, record: msgspec.Struct) -> Problem | None:
        """A text with too many UTF-8 bytes, or with a NUL character, which no warehouse holds."""
        for (name, limit), text in zip(self._limits, self._of(record), strict=True):
            if text is None:
                continue
            if "\0" in text:
                return Problem("type", f"{name} holds a NUL character", name)
            if not text.isascii() and (size := len(text.encode())) > limit:
                return Problem("size", f"{name} has {size} bytes, its column holds {limit}", name)
        return None


# The records of a batch of lines, the line's number of each, and what is rescued of a line by its number.
_Decoded = tuple[list[msgspec.Struct], Sequence[int], dict[int, msgspec.Raw]]
_Decode = Callable[[memoryview, int, Parsed], _Decoded]


class Parser:
    """Parses the lines of one source.

    Most lines are good, and cost one pass of compiled code: a typed decoder takes them, `suspects` looks at
    each quickly, an encoder writes them. Whatever any of these doubts is looked at slowly, by itself.
    """

    def __init__(self, contract: Contract, rules: Rules):
        self._contract = contract
        self._fields = contract.fields
        self._most_rescued = (
            LONGEST - _LINEAGE - _ESCAPED * sum(each.bytes or 0 for each in contract.fields.values())
        )
        self._added = contract.added
        self._rules = rules
        self._texts = _Texts(contract)
        self._record = contract.record()
        self._types = {each.name: each.type for each in msgspec.structs.fields(self._record)}
        self._lenient = msgspec.json.Decoder(self._record).decode
        strict = contract.record(forbid_unknown_fields=True)
        decoder: msgspec.json.Decoder[msgspec.Struct] = msgspec.json.Decoder(strict)
        self._strict, self._strict_lines = decoder.decode, decoder.decode_lines
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        # Numbers keep their digits.
        self._decode_exactly = msgspec.json.Decoder(float_hook=Decimal).decode
        self._encode_exactly = msgspec.json.Encoder(decimal_format="number").encode

    def parse(self, block: Block, lineage: Sequence[str], first_line: int) -> Parsed:
        """Parse a block, the first line of which is number `first_line` of its file.

        `lineage` stands in each row between the record's fields and the line number.
        """
        encoded_lineage = msgspec.Raw(msgspec.json.encode(lineage)[1:-1])
        if block.plain:
            parsed = self._parse(block.data, encoded_lineage, first_line, self._together)
            # A decoder of many lines takes records wherever they begin. Where each line begins with a brace,
            # which no record has inside, it begins with a record: as many as lines are one in each.
            if parsed.lines == block.lines:
                return parsed
        return self._parse(block.data, encoded_lineage, first_line, self._one_by_one)

    def _parse(self, data: bytes, lineage: msgspec.Raw, first_line: int, decode: _Decode) -> Parsed:
        parsed = Parsed()
        start, view = 0, memoryview(data)
        while start < len(data):
            end = data.rfind(b"\n", start, start + _BATCH) + 1 or data.find(b"\n", start) + 1 or len(data)
            self._add(view[start:end], lineage, first_line, decode, parsed)
            start = end
        return parsed

    def _add(
        self, batch: memoryview, lineage: msgspec.Raw, first_line: int, decode: _Decode, parsed: Parsed
    ) -> None:
        """Add what becomes of a batch of lines to those before."""
        first = first_line + parsed.lines
        records, numbers, rescued = decode(batch, first, parsed)

        rules = self._rules
        problems = {}
        for position in rules.suspects(records):
            if problem := rules.problem(records[position]):
                problems[position] = problem
        # Lists here and below: of an iterator the encoder (msgspec 0.22) never lets go the last element.
        encoded = self._encode_lines(list(map(msgspec.structs.astuple, records)))
        values = list(map(_WITHIN_BRACKETS, BytesIO(encoded)))
        has_nul = _BACKSLASH in encoded and _NUL in encoded
        if has_nul or not encoded.isascii():
            # Only where it is not ASCII can a text have more bytes than the characters that were counted.
            for position in [at for at, value in enumerate(values) if has_nul or not value.isascii()]:
                if position not in problems and (problem := self._texts.problem(records[position])):
                    problems[position] = problem
        lines = BytesIO(batch).readlines() if problems else []
        if problems and numbers[-1] - first >= len(lines):
            parsed.lines += len(numbers)  # more records than lines: nothing of it stays
            return
        for position, problem in list(problems.items()):
            number = numbers[position]
            line = lines[number - first]
            found: msgspec.Struct | Problem = problem
            if problem.field and self._action(problem) != "quarantine":
                found = self._slowly(line, number, parsed, rescued)
            if isinstance(found, Problem):
                self._report(parsed, number, found, line)
            else:
                values[position] = self._encode_lines([msgspec.structs.astuple(found)])[1:-2]
                del problems[position]
        if problems:
            good = [position for position in range(len(values)) if position not in problems]
            values = [values[position] for position in good]
            numbers = [numbers[position] for position in good]

        hashed = map(self._without_added, values) if self._added else values
        hashes = map(xxh3_128_hexdigest, hashed)
        rows = zip(
            map(msgspec.Raw, values),
            repeat(lineage),
            numbers,
            hashes,
            map(rescued.get, numbers) if rescued else repeat(None),
        )
        parsed.rows.append(self._encode_lines(list(rows)))
        parsed.lines += len(values)
        parsed.loaded += len(values)

    def _without_added(self, values: bytes) -> bytes:
        """The values without the nulls at the end that belong to added fields."""
        for _ in range(self._added):
            if not values.endswith(_NULL):
                break
            values = values[: -len(_NULL)]
        return values

    def _report(self, parsed: Parsed, number: int, problem: Problem, raw: bytes) -> None:
        parsed.lines += 1
        shortened = problem._replace(detail=problem.detail[:250])
        parsed.bad.append(Bad(number, shortened, raw.removesuffix(b"\n")))

    def _together(self, batch: memoryview, first: int, parsed: Parsed) -> _Decoded:
        """The records of all lines if all decode, each taken for one line's."""
        if len(batch) <= LONGEST:
            try:
                records = self._strict_lines(batch)
                return records, range(first, first + len(records)), {}
            except _Refused:
                pass
        return self._one_by_one(batch, first, parsed)

    def _one_by_one(self, batch: memoryview, first: int, parsed: Parsed) -> _Decoded:
        """The records of the lines that decode; the others are reported."""
        records, numbers = [], []
        rescued: dict[int, msgspec.Raw] = {}
        # Half the time of split(); each line keeps its end, which is white space to JSON.
        for number, line in enumerate(BytesIO(batch), first):
            if line.isspace():
                parsed.lines += 1
                parsed.blank += 1
                continue
            found: msgspec.Struct | Problem
            if (size := len(line.removesuffix(b"\n"))) > LONGEST:
                found = Problem("size", f"the line has {size} bytes, COPY reads {LONGEST}")
            else:
                try:
                    found = self._strict(line)
                except _Refused:
                    found = self._slowly(line, number, parsed, rescued)
            if isinstance(found, Problem):
                self._report(parsed, number, found, line)
            else:
                records.append(found)
                numbers.append(number)
        return records, numbers, rescued

    def _slowly(
        self, line: bytes, number: int, parsed: Parsed, rescued: dict[int, msgspec.Raw]
    ) -> msgspec.Struct | Problem:
        """The record of a line that is in doubt, in which nothing is wrong any more, or why it has none.

        A value that the contract lets pass though its column cannot hold it is null in the record, and
        rescued with the fields of which the contract does not know.
        """
        try:
            own = line.rstrip(b"\r\n")  # what is said of it must not depend on the line's end
            own.decode()
            fields = msgspec.json.decode(own)
        except _Refused as error:
            return Problem("json", str(error))
        if not isinstance(fields, dict):
            return Problem("json", f"not an object but {type(fields).__name__}")

        def passes(problem: Problem) -> bool:
            return self._passes(problem, fields, number, parsed)

        extra = [name for name in fields if name not in self._fields]
        for name in extra:
            problem = Problem("unknown", f"{_named(name)}: the contract does not know it", name)
            if not passes(problem):
                return problem
            fields[name] = None  # small values take up many times the bytes of their JSON: have them once
        record = self._decoded(line, fields, extra, passes)
        while isinstance(record, msgspec.Struct):
            doubt = self._rules.problem(record) or self._texts.problem(record)
            if doubt is None:
                break
            if doubt.field is None or doubt.field in extra or not passes(doubt):
                return doubt
            setattr(record, self._fields[doubt.field].column, None)
            extra.append(doubt.field)
        if extra and isinstance(record, msgspec.Struct):
            kept = self._rescued(own, extra)
            if isinstance(kept, Problem):
                return kept
            rescued[number] = msgspec.Raw(kept)
        return record

    def _decoded(
        self, line: bytes, fields: dict[str, Any], extra: list[str], passes: Callable[[Problem], bool]
    ) -> msgspec.Struct | Problem:
        """The record of a line, or why it has none; values that it cannot hold are added to `extra`."""
        try:
            return self._lenient(line)
        except _Refused:
            pass
        known: dict[str, Any] = {}
        for name, each in self._fields.items():
            value = fields.get(name)
            known[each.column] = None
            if value is None and (each.required or name not in fields):
                problem = Problem("required", f"{name} is {'null' if name in fields else 'missing'}", name)
                if not passes(problem):
                    return problem
            elif value is not None:
                try:
                    known[each.column] = msgspec.convert(value, self._types[each.column])
                except msgspec.ValidationError as error:
                    message = str(error).replace(" | null", "")
                    detail = f"{name}: {message[0].lower()}{message[1:]}"
                    problem = Problem(_reason(message), detail, name)
                    if not passes(problem):
                        return problem
                    extra.append(name)
                    fields[name] = None
        return self._record(**known)

    def _action(self, problem: Problem) -> Action:
        """What the contract says to do about a field."""
        assert problem.field is not None
        if problem.reason == "unknown":
            return self._contract.action_on_unknown(problem.field)
        return self._fields[problem.field].action(problem.reason)

    def _passes(self, problem: Problem, fields: dict[str, Any], number: int, parsed: Parsed) -> bool:
        """Whether the contract lets a line with this problem pass; what it is to be told of is counted."""
        action = self._action(problem)
        if action in ("warn", "fail"):
            assert problem.field is not None
            name = _named(problem.field)
            known = parsed.departures.get((name, problem.reason))
            if known:
                known.lines += 1
            else:
                example = _shown(fields[problem.field]) if problem.field in fields else None
                told = Departure(name, problem.reason, action, 1, number, example, problem.detail[:250])
                merge(parsed.departures, [told])
        return action in ("allow", "warn")

    def _rescued(self, line: bytes, names: Sequence[str]) -> bytes | Problem:
        """Some fields of a line as the JSON object that SUPER is to hold, or why it cannot."""
        raw = self._raw_fields(line)
        pairs = []
        for name in names:
            pair = {name: self._decode_exactly(raw[name])}
            if problem := _too_much_for_super(pair):
                return Problem(problem[0], f"{_named(name)}: rescued_data cannot hold it: {problem[1]}")
            pairs.append(self._encode_exactly(pair)[1:-1])
        encoded = b"{" + b",".join(pairs) + b"}"
        if len(encoded) > self._most_rescued:
            return Problem("size", f"rescued_data would have {len(encoded)} bytes, too many for COPY")
        return encoded


def _shown(value: object) -> str:
    """The JSON of a value, cut where it is long."""
    return _cut(msgspec.json.encode(value).decode())


def _named(name: str) -> str:
    """A field's name as JSON has it, cut where it is long."""
    return _cut(msgspec.json.encode(name)[1:-1].decode())


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _too_much_for_super(value: object) -> tuple[str, str] | None:
    """Reason and detail why SUPER cannot hold a value, if it cannot."""
    inside: list[Iterator[object]] = [iter((value,))]  # what is left of each value around
    while inside:
        for each in inside[-1]:
            match each:
                case str() if "\0" in each:
                    return "type", "a NUL character"
                case str() if len(each.encode()) > _SUPER_TEXT:
                    return "size", f"a text of {len(each.encode())} bytes"
                case dict() | list() if len(inside) > _SUPER_DEPTH:
                    return "size", f"nested deeper than {_SUPER_DEPTH}"
                case dict():
                    inside.append(chain.from_iterable(each.items()))
                    break
                case list():
                    inside.append(iter(each))
                    break
                case bool() | None:
                    pass
                case int() | Decimal():
                    number = Decimal(each)
                    if len(number.as_tuple().digits) > _DIGITS or abs(number.adjusted()) > _EXPONENT:
                        return "size", "a number with too many digits"
        else:
            inside.pop()
    return None


def _reason(message: str) -> str:
    # msgspec names the bound that a value of the right type is beyond.
    if "length >=" in message:
        return "required"
    return "size" if "<=" in message and "`float`" not in message else "type"
