"""JSON values as the fields that COPY stores, by the type of their column.

A column's values of many rows are converted at once. Where one of them will not do, BadValue says why; the
caller then goes row by row to find it. Values are None, bool, int, Decimal, str, and dicts and lists of
them. The result is PostgreSQL's text format for COPY.

Rules: Redshift Database Developer Guide, copy-parameters-data-conversion and r_Load_Error_Reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache, partial
from typing import cast

import msgspec

from redshift_sandbox.errors import RedshiftError

NULL = "\\N"

Values = Sequence[object]
Convert = Callable[[Values], list[str]]

_NONE = type(None)
_encode = msgspec.json.Encoder(decimal_format="number").encode
_ESCAPED = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
_EPOCH = datetime(1970, 1, 1)


class BadValue(Exception):
    """A value that does not fit its column: the error's code, its text, and the value's own text."""

    def __init__(self, code: int, message: str, value: str, position: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.value = value
        self.position = position


@dataclass(frozen=True)
class Options:
    """What a COPY statement says about converting."""

    dateformat: str = "YYYY-MM-DD"
    timeformat: str | None = None
    truncate_columns: bool = False
    blanks_as_null: bool = False
    empty_as_null: bool = False
    trim_blanks: bool = False
    round_decimals: bool = False
    accept_any_date: bool = False


@dataclass(frozen=True)
class Column:
    """A column that COPY fills. `type` is PostgreSQL's name; `length` is in bytes or decimal digits."""

    name: str
    type: str
    length: int | None
    scale: int | None
    is_required: bool

    @property
    def shown_length(self) -> str:
        """As the system views show it."""
        if self.length is None:
            return "0"
        return f"{self.length}, {self.scale}" if self.type == "numeric" else str(self.length)


def converter(column: Column, options: Options) -> Convert:
    """What converts a column's values. Raises RedshiftError 0A000 for a type that COPY does not fill here."""
    convert = _of_type(column, options)
    if not column.is_required:
        return convert

    def required(values: Values) -> list[str]:
        fields = convert(values)
        if NULL in fields:
            raise BadValue(1213, "Missing data for not-null field", "")
        return fields

    return required


def _of_type(column: Column, options: Options) -> Convert:
    kind = column.type
    if kind == "varchar":
        return partial(_varchar, column.length, options)
    if kind == "bpchar":
        return partial(_char, column.length, options)
    if kind in _INTEGERS:
        return partial(_integers, *_INTEGERS[kind])
    if kind == "numeric":
        assert column.length is not None
        return partial(_decimals, column.length, column.scale or 0, options.round_decimals)
    if kind in ("float4", "float8"):
        return partial(_floats, kind == "float4")
    if kind == "bool":
        return _booleans
    if kind == "date":
        return _dates(options)
    if kind in ("timestamp", "timestamptz"):
        return _timestamps(kind, options)
    if kind in ("time", "timetz"):
        return partial(_each, _time)
    if kind == "jsonb":
        return _super
    raise RedshiftError("0A000", f"COPY into a column of type {kind} is not supported by the sandbox")


def text_of(value: object) -> str:
    """A value's own text; an object's or array's is JSON (copy-usage_notes-copy-from-json)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return _encode(value).decode()


def _each(one: Callable[[str], str | None], values: Values) -> list[str]:
    """Converts the text of each; empty and blank values are NULL (copy-parameters-data-format, JSON)."""
    fields = []
    for value in values:
        text = text_of(value).strip()
        field = one(text) if text else None
        fields.append(NULL if field is None else field)
    return fields


# Strings


def _varchar(length: int | None, options: Options, values: Values) -> list[str]:
    kinds = set(map(type, values))
    if not kinds <= {str, _NONE}:
        values = [None if value is None else text_of(value) for value in values]
    if options.trim_blanks:
        values = [value.rstrip() if isinstance(value, str) else value for value in values]
    return _strings(values, length, options, "String length exceeds DDL length")


def _char(length: int | None, options: Options, values: Values) -> list[str]:
    texts = [None if value is None else text_of(value) for value in values]
    for text in texts:
        if text is not None and not text.isascii():
            wrong = re.search(r"[^\x00-\x7f]+", text)
            assert wrong is not None
            raise BadValue(
                1220,
                "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). "
                f"Invalid char: {wrong[0].encode().hex(' ')}",
                text,
                wrong.start(),
            )
    return _strings(texts, length, options, "Char length exceeds DDL length")


def _strings(values: Values, length: int | None, options: Options, too_long: str) -> list[str]:
    if options.empty_as_null or options.blanks_as_null:
        values = [None if _counts_as_null(value, options) else value for value in values]
    has_nulls = None in values
    texts = [value if isinstance(value, str) else "" for value in values]
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:
        wrong = next(text for text in texts if "\0" in text)
        raise BadValue(1220, "The sandbox does not store NUL characters", wrong, wrong.index("\0"))
    if length is not None:
        sizes = map(len, texts) if joined.isascii() else (len(text.encode()) for text in texts)
        if max(sizes, default=0) > length:
            texts = [_fitting(text, length, options, too_long) for text in texts]
            joined = "\0".join(texts)
    if any(character in joined for character, _ in _ESCAPED):
        for character, escaped in _ESCAPED:
            joined = joined.replace(character, escaped)
        texts = joined.split("\0")
    if has_nulls:
        return [NULL if value is None else text for value, text in zip(values, texts, strict=True)]
    return texts


def _counts_as_null(value: object, options: Options) -> bool:
    if not isinstance(value, str):
        return value is None
    if not value:
        return options.empty_as_null
    return options.blanks_as_null and value.isspace()


def _fitting(text: str, length: int, options: Options, too_long: str) -> str:
    """The text if it has no more bytes than the column, or cut as far as that is allowed."""
    encoded = text.encode()
    if len(encoded) <= length:
        return text
    kept = encoded[:length].decode(errors="ignore")
    # Blanks beyond the length are dropped without a word (r_Character_types).
    if options.truncate_columns or not text[len(kept) :].strip(" "):
        return kept
    raise BadValue(1204, too_long, text)


def _super(values: Values) -> list[str]:
    texts = [None if value is None else _encode(value).decode() for value in values]
    return _strings(texts, None, Options(), "")


# Numbers

_INTEGERS = {
    "int2": (-(2**15), 2**15 - 1, "Short"),
    "int4": (-(2**31), 2**31 - 1, "Integer"),
    "int8": (-(2**63), 2**63 - 1, "Long"),
}


def _integers(smallest: int, largest: int, name: str, values: Values) -> list[str]:
    if set(map(type, values)) == {int}:
        numbers = cast(Sequence[int], values)
        if smallest <= min(numbers) and max(numbers) <= largest:
            return list(map(str, numbers))
    return _each(partial(_integer, smallest, largest, name), values)


def _integer(smallest: int, largest: int, name: str, text: str) -> str:
    digits = text[1:] if text[0] in "+-" else text
    for place, character in enumerate(digits, len(text) - len(digits)):
        if not "0" <= character <= "9":
            raise BadValue(
                1207, f"Invalid digit, Value '{character}', Pos {place}, Type: {name}", text, place
            )
    if not digits:
        raise BadValue(1207, f"Invalid digit, Value '{text[0]}', Pos 0, Type: {name}", text)
    if len(digits) > 40 or not smallest <= int(text) <= largest:
        raise BadValue(1222, f"Overflow, Type: {name}", text)
    return str(int(text))


_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")


def _decimals(precision: int, scale: int, rounding: bool, values: Values) -> list[str]:
    return _each(partial(_decimal, precision, scale, rounding), values)


@lru_cache(maxsize=65536)
def _decimal(precision: int, scale: int, rounding: bool, text: str) -> str:
    """More digits than the scale has are cut off, or rounded with ROUNDEC."""
    if not _DECIMAL.fullmatch(text):
        wrong = re.search(r"[^0-9.+-]", text)
        place = wrong.start() if wrong else 0
        raise BadValue(1207, f"Invalid digit, Value '{text[place]}', Pos {place}, Type: Decimal", text, place)
    if "e" in text or "E" in text:
        text = format(Decimal(text), "f")
    sign = "-" if text[0] == "-" else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    if rounding and len(fraction) > scale:
        rounded = Decimal(f"{whole or '0'}.{fraction}").quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        whole, _, fraction = format(rounded, "f").partition(".")
    whole = whole.lstrip("0")
    if len(whole) > precision - scale:
        raise BadValue(1204, f"Numeric data overflow, Type: Decimal({precision},{scale})", text)
    cut = fraction[:scale]
    return f"{sign}{whole or '0'}.{cut}" if cut else f"{sign}{whole or '0'}"


def _floats(single: bool, values: Values) -> list[str]:
    return _each(partial(_float, single), values)


def _float(single: bool, text: str) -> str:
    if not _DECIMAL.fullmatch(text):
        raise BadValue(1208, "Invalid digit, Type: Float" if single else "Invalid digit, Type: Double", text)
    number = float(text)
    if abs(number) > (3.4028235e38 if single else 1.7976931348623157e308):
        raise BadValue(1204, f"Overflow, Type: {'Float' if single else 'Double'}", text)
    if single and 0 < abs(number) < 1.17549435e-38:
        return "0"
    return repr(number)


_BOOLEANS = {
    **dict.fromkeys(("t", "true", "y", "yes", "1"), "t"),
    **dict.fromkeys(("f", "false", "n", "no", "0"), "f"),
}


def _booleans(values: Values) -> list[str]:
    return _each(_boolean, values)


def _boolean(text: str) -> str:
    known = _BOOLEANS.get(text.lower())
    if known is None:
        raise BadValue(1210, "Unknown boolean format", text)
    return known


# Dates and times

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        1,
    )
}

_ELEMENTS = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short_year>\d{2})",
    "MONTH": r"(?P<name>[A-Za-z]{3,9})",
    "MON": r"(?P<name>[A-Za-z]{3})",
    "MM": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d{1,2})",
    "HH24": r"(?P<hour>\d{1,2})",
    "HH12": r"(?P<hour>\d{1,2})",
    "HH": r"(?P<hour>\d{1,2})",
    "MI": r"(?P<minute>\d{1,2})",
    "SS": r"(?P<second>\d{1,2}(?:\.\d{1,6})?)",
    "AM": r"(?P<half>[AaPp][Mm])",
    "PM": r"(?P<half>[AaPp][Mm])",
}
_ELEMENT = re.compile("|".join(_ELEMENTS), re.IGNORECASE)

_ZONE = r"(?P<zone>Z|[+-]\d{1,2}(?::?\d{2})?)?"
_DATE_AND_TIME = (
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,9})?))?)? ?" + _ZONE
)
# What 'auto' recognizes here: part of the list in automatic-recognition.
_RECOGNIZED = [
    re.compile(pattern)
    for pattern in (
        _DATE_AND_TIME,
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
        r"(?: (?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2}))?",
        r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})"
        r"(?: (?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,6})?))?)?",
        r"(?P<name>[A-Za-z]{3})-(?P<day>\d{1,2})-(?P<year>\d{4})",
    )
]
_WITH_ZONE = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2}) (?P<hour>\d{2}):(?P<minute>\d{2}):"
    r"(?P<second>\d{2}(?:\.\d{1,6})?)" + _ZONE
)
_TIME = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:[+-]\d{2}(?::\d{2})?)?")


def _pattern(template: str) -> re.Pattern[str]:
    """A DATEFORMAT or TIMEFORMAT string (r_DATEFORMAT_and_TIMEFORMAT_strings)."""
    pattern, at = "", 0
    while at < len(template):
        element = _ELEMENT.match(template, at)
        if element is not None:
            pattern += _ELEMENTS[element[0].upper()]
            at = element.end()
        elif template[at].isalnum() and template[at] != "T":
            raise RedshiftError("22007", f"'{template[at:]}' in the format '{template}' is not supported")
        else:
            pattern += re.escape(template[at])
            at += 1
    try:
        return re.compile(pattern)
    except re.error:
        raise RedshiftError("22007", f"the format '{template}' names a part twice") from None


def _moment(found: re.Match[str]) -> tuple[datetime, str]:
    """The time that a match names and its zone. Raises ValueError."""
    parts = found.groupdict()
    if parts.get("short_year"):
        year = int(parts["short_year"])
        year += 2000 if year < 70 else 1900
    else:
        year = int(parts["year"])
    month = _MONTHS[parts["name"][:3].lower()] if parts.get("name") else int(parts.get("month") or 1)
    hour = int(parts.get("hour") or 0)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    whole, _, fraction = (parts.get("second") or "0").partition(".")
    moment = datetime(
        year,
        month,
        int(parts.get("day") or 1),
        hour,
        int(parts.get("minute") or 0),
        int(whole),
        int((fraction + "000000")[:6]),
    )
    return moment, (parts.get("zone") or "").replace("Z", "+00")


def _parsed(patterns: Sequence[re.Pattern[str]], text: str) -> tuple[datetime, str] | None:
    for pattern in patterns:
        found = pattern.fullmatch(text)
        if found is not None:
            try:
                return _moment(found)
            except (ValueError, KeyError):
                return None
    return None


def _dates(options: Options) -> Convert:
    template = options.dateformat
    patterns = _RECOGNIZED if template == "auto" else [_pattern(template)]

    @lru_cache(maxsize=65536)
    def one(text: str) -> str | None:
        parsed = _parsed(patterns, text)
        if parsed is not None:
            return parsed[0].date().isoformat()
        if options.accept_any_date:
            return None
        if len(text) < 10:
            raise BadValue(1205, "Invalid Date Format - length must be 10 or more", text)
        raise BadValue(1205, f"Invalid Date Format [{template}]", text)

    return partial(_each, one)


def _timestamps(kind: str, options: Options) -> Convert:
    template = options.timeformat
    if template in ("epochsecs", "epochmillisecs"):
        factor, zone = 1000 if template == "epochsecs" else 1, "+00" if kind == "timestamptz" else ""
        return partial(_epochs, factor, template, zone)
    shown = template or ("YYYY-MM-DD HH24:MI:SS" if kind == "timestamp" else "YYYY-MM-DD HH24:MI:SSOF")
    if template == "auto":
        patterns = _RECOGNIZED
    elif kind == "timestamptz":
        patterns = [_WITH_ZONE if template is None else _pattern(template)]
    else:
        patterns = [_pattern(template or "YYYY-MM-DD HH:MI:SS")]

    @lru_cache(maxsize=65536)
    def one(text: str) -> str | None:
        parsed = _parsed(patterns, text)
        if parsed is not None:
            moment, zone = parsed
            return moment.isoformat(" ") + (zone if kind == "timestamptz" else "")
        if options.accept_any_date:
            return None
        raise BadValue(1206, f"Invalid timestamp format or value [{shown}]", text)

    return partial(_each, one)


def _epochs(factor: int, template: str, zone: str, values: Values) -> list[str]:
    """Milliseconds since 1970, or seconds with factor 1000."""
    fields = []
    minutes: dict[int, str] = {}
    for value in values:
        if type(value) is not int:
            text = text_of(value).strip()
            if not text:
                fields.append(NULL)
                continue
            if not re.fullmatch(r"-?\d{1,18}", text):
                raise BadValue(1206, f"Invalid timestamp format or value [{template}]", text)
            value = int(text)
        minute, rest = divmod(value * factor, 60_000)
        shown = minutes.get(minute)
        if shown is None:
            try:
                shown = minutes[minute] = (_EPOCH + timedelta(minutes=minute)).isoformat(" ")[:17]
            except OverflowError:
                raise BadValue(1206, f"Invalid timestamp format or value [{template}]", str(value)) from None
        fields.append(f"{shown}{rest // 1000:02d}.{rest % 1000:03d}{zone}")
    return fields


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise BadValue(1206, "Invalid timestamp format or value [HH24:MI:SS]", text)
    return text
