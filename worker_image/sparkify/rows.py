"""Turns lines of JSON into rows for COPY, and says what is wrong with those that are not.

A row is one line: a JSON array of the record's fields in the order of the contract, followed by the lineage
and the content hash. The hash is the 128-bit XXH3 of the record's fields alone, after its rules have
normalised them: their values as compact UTF-8 JSON in which only what must be escaped is, joined by commas,
without the nulls at the end that belong to fields which were added to the contract. So neither the day, the
file and the line, nor the source's key order, white space, escapes and unknown fields change it, nor does a
contract that grows.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec
from xxhash import xxh3_128_hexdigest

from sparkify.contract import Contract
from sparkify.lines import LONGEST

# Lines are handled in batches of about this many bytes: the records of a batch stay in a core's cache.
_BATCH = 128 * 1024

_BACKSLASH = ord("\\")
_NUL = b"\\u0000"  # as JSON has it
_NULL = b",null"
_BLANK = " \t\r\n\v\f"

_Refused = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Problem(NamedTuple):
    """Why a line cannot be staged: `reason` for machines, `detail` for people."""

    reason: str
    detail: str


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
    """What became of some lines: rows for COPY, bad lines, and names of unknown fields with their lines."""

    rows: list[bytes] = field(default_factory=list)
    lines: int = 0
    loaded: int = 0
    blank: int = 0
    next_line: int = 1
    bad: list[Bad] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


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
                return Problem("type", f"{name} holds a NUL character")
            if not text.isascii() and (size := len(text.encode())) > limit:
                return Problem("size", f"{name} has {size} bytes, its column holds {limit}")
        return None


class Parser:
    """Parses the lines of one source.

    Most lines are good, and cost one pass of compiled code: a typed decoder takes them, `suspects` looks at
    each quickly, an encoder writes them. Whatever any of these doubts is looked at slowly, by itself.
    """

    def __init__(self, contract: Contract, rules: Rules):
        self._fields = contract.fields
        self._added = contract.added
        self._rules = rules
        self._texts = _Texts(contract)
        self._record = contract.record()
        self._types = {each.name: each.type for each in msgspec.structs.fields(self._record)}
        self._lenient = msgspec.json.Decoder(self._record).decode
        strict = contract.record(forbid_unknown_fields=True)
        self._strict: Callable[[bytes], msgspec.Struct] = msgspec.json.Decoder(strict).decode
        self._encode_lines = msgspec.json.Encoder().encode_lines

    def parse(self, block: bytes, lineage: Sequence[str], first_line: int) -> Parsed:
        """Parse a block of whole lines, the first of which is number `first_line` of its file.

        `lineage` stands in each row between the record's fields and the line number.
        """
        parsed = Parsed(next_line=first_line)
        encoded_lineage = b"," + msgspec.json.encode(lineage)[1:-1] + b","
        # Half the time of split(); each line keeps its end, which is white space to JSON.
        stream = BytesIO(block)
        while lines := stream.readlines(_BATCH):
            self._parse(lines, encoded_lineage, parsed)
        return parsed

    def _parse(self, lines: list[bytes], lineage: bytes, parsed: Parsed) -> None:
        first = parsed.next_line
        parsed.next_line = first + len(lines)
        numbers: Sequence[int] = range(first, parsed.next_line)
        try:
            if max(map(len, lines)) > LONGEST:
                raise msgspec.ValidationError
            records = list(map(self._strict, lines))
        except _Refused:
            records, numbers = self._one_by_one(lines, parsed)

        rules = self._rules
        problems = {}
        for position in rules.suspects(records):
            if problem := rules.problem(records[position]):
                problems[position] = problem
        if problems:
            records, numbers = self._without(problems, records, numbers, lines, parsed)
        encoded = self._encode_lines(list(map(msgspec.structs.astuple, records)))
        values = [array[1:-2] for array in BytesIO(encoded).readlines()]
        has_nul = _BACKSLASH in encoded and _NUL in encoded
        if has_nul or not encoded.isascii():
            # Only where it is not ASCII can a text have more bytes than the characters that were counted.
            problems = {
                position: problem
                for position, value in enumerate(values)
                if (not value.isascii() or (has_nul and _NUL in value))
                and (problem := self._texts.problem(records[position]))
            }
            if problems:
                values = [value for position, value in enumerate(values) if position not in problems]
                records, numbers = self._without(problems, records, numbers, lines, parsed)

        hashed = map(self._without_added, values) if self._added else values
        tails = self._encode_lines(list(zip(numbers, map(xxh3_128_hexdigest, hashed), strict=True)))
        rows = [b"["] * (4 * len(values))
        rows[1::4] = values
        rows[2::4] = [lineage] * len(values)
        rows[3::4] = tails.split(b"[")[1:]  # neither a number nor a hash has a bracket
        parsed.rows.append(b"".join(rows))
        parsed.lines += len(values)
        parsed.loaded += len(values)

    def _without_added(self, values: bytes) -> bytes:
        """The values without the nulls at the end that belong to added fields."""
        for _ in range(self._added):
            if not values.endswith(_NULL):
                break
            values = values[: -len(_NULL)]
        return values

    def _without(
        self,
        problems: dict[int, Problem],
        records: list[msgspec.Struct],
        numbers: Sequence[int],
        lines: list[bytes],
        parsed: Parsed,
    ) -> tuple[list[msgspec.Struct], list[int]]:
        """The records and numbers that have no problem; the others are reported."""
        first = parsed.next_line - len(lines)
        for position, problem in problems.items():
            number = numbers[position]
            self._report(parsed, number, problem, lines[number - first])
        good = [position for position in range(len(records)) if position not in problems]
        return [records[position] for position in good], [numbers[position] for position in good]

    def _report(self, parsed: Parsed, number: int, problem: Problem, raw: bytes) -> None:
        parsed.lines += 1
        parsed.bad.append(Bad(number, Problem(problem.reason, problem.detail[:250]), raw.removesuffix(b"\n")))

    def _one_by_one(self, lines: list[bytes], parsed: Parsed) -> tuple[list[msgspec.Struct], list[int]]:
        """The records and numbers of the lines that decode; the others are reported."""
        records, numbers = [], []
        for number, line in enumerate(lines, parsed.next_line - len(lines)):
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
                    found = self._examine(line, parsed.unknown)
            if isinstance(found, Problem):
                self._report(parsed, number, found, line)
            else:
                records.append(found)
                numbers.append(number)
        return records, numbers

    def _examine(self, line: bytes, unknown: Counter[str]) -> msgspec.Struct | Problem:
        """The record of a line that the strict decoder refused, or why it has none."""
        try:
            own = line.rstrip(b"\r\n")  # what is said of it must not depend on the line's end
            own.decode()
            fields = msgspec.json.decode(own)
        except _Refused as error:
            return Problem("json", str(error))
        if not isinstance(fields, dict):
            return Problem("json", f"not an object but {type(fields).__name__}")
        unknown.update(fields.keys() - self._fields.keys())
        try:
            return self._lenient(line)
        except _Refused:
            pass
        known: dict[str, Any] = {}
        for name, each in self._fields.items():
            value = fields.get(name)
            if value is None:
                if each.required:
                    return Problem("required", f"{name} is {'null' if name in fields else 'missing'}")
                known[each.column] = None
                continue
            try:
                known[each.column] = msgspec.convert(value, self._types[each.column])
            except msgspec.ValidationError as error:
                message = str(error).replace(" | null", "")
                return Problem(_reason(message), f"{name}: {message[0].lower()}{message[1:]}")
        return self._record(**known)


def _reason(message: str) -> str:
    # msgspec names the bound that a value of the right type is beyond.
    if "length >=" in message:
        return "required"
    return "size" if "<=" in message and "`float`" not in message else "type"
