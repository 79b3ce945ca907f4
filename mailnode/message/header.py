"""The header of a message or body part, found by offsets (RFC 5322 section 2.2, 3.6.8 and 4.5).

A header is lines up to the first empty one, or up to the end. A field is a line that begins with a field-name
(printable US-ASCII without colon), white space that RFC 822 allowed, and a colon; lines that begin with a
space or tab continue it. Any other line is opaque, with its continuations: an mbox "From " line, a line
without a colon, a first line that continues nothing. Opaque lines belong to the header, so that it ends at
the same octet for every reader, but no name finds them. The same holds for whatever follows the first
`FIELD_LIMIT` fields. Lines end in LF or CRLF in any mixture.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

FIELD_LIMIT: Final = 1000
VALUE_LIMIT: Final = 65536

_EMPTY_LINE = re.compile(rb"\r?\n")
_BEFORE_EMPTY_LINE = re.compile(rb"\n(?=\r?\n)")
_NAME = re.compile(rb"([!-9;-~]++)[ \t]*+:")
_NAMES = re.compile(rb"\n" + _NAME.pattern)
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
VALUE: Final = rb"[^\n]*+(?:\n[ \t][^\n]*+)*+"  # what stands behind the colon, without the last line end
_FIELD = re.compile(_NAME.pattern + rb"(%b)" % VALUE)
_BEHIND_NAME = re.compile(rb"[ \t]*+:(%b)" % VALUE)
# One that is found with the line end before it: an octet is looked for much faster than a line.
NEXT_FIELD: Final = re.compile(rb"\n" + _FIELD.pattern)
_LAST_LF = re.compile(rb"\n(?![ \t])")


class Field(NamedTuple):
    """A header field: its name as written, and where its line, value and next line begin."""

    name: bytes
    start: int
    value: int
    end: int


class Header:
    """The first `limit` fields of one header; `blank` and `end` are where its empty line begins and ends.

    `blank == end` where there is no empty line. `end` is where the body begins.
    """

    __slots__ = ("_by_name", "_data", "_found", "blank", "end")

    def __init__(self, data: bytes, start: int, blank: int, end: int, limit: int) -> None:
        self._data = data
        first = _FIELD.match(data, start, blank)
        others = NEXT_FIELD.finditer(data, first.end() if first else start, blank)
        self._found = list(islice(chain((first,), others) if first else others, limit))
        self.blank = blank
        self.end = end
        self._by_name: dict[bytes, list[bytes]] = {}  # what stands behind the colons; made when it is needed

    @property
    def fields(self) -> list[Field]:
        """Where its fields are, in their order."""
        return [
            Field(field[1], field.start(1), field.start(2), min(field.end() + 1, self.blank))
            for field in self._found
        ]

    def get(self, name: bytes) -> bytes | None:
        """The value of the first field of that name, unfolded and stripped; None where there is none.

        What follows the first `VALUE_LIMIT` octets is left out: ENVELOPE and BODYSTRUCTURE are bounded.
        """
        found = self._called(name)
        return unfolded(found[0][:VALUE_LIMIT]) if found else None

    def all(self, name: bytes) -> list[bytes]:
        """The values of every field of that name, unfolded and stripped, in their order."""
        return list(map(unfolded, self._called(name)))

    def _called(self, name: bytes) -> Sequence[bytes]:
        by_name = self._by_name
        if not by_name:
            for field in self._found:
                called, value = field.groups()
                by_name.setdefault(called.lower(), []).append(value)
        return by_name.get(name.lower(), ())

    def value(self, field: Field) -> bytes:
        """The value of a field, unfolded (RFC 5322 section 2.2.3) and stripped of white space."""
        return unfolded(self._data[field.value : field.end])


def values_of(header: bytes, name: bytes) -> list[bytes]:
    """What scan(header).all(name) gives, for one name and much sooner."""
    if header.count(b"\n") > FIELD_LIMIT:
        return scan(header).all(name)
    values: list[bytes] = []
    lines = b"\n" + header.lower()  # a line begins here where its line end is there
    begin = b"\n" + name.lower()
    at = lines.find(begin)
    if at < 0 or not _FIELD_NAME.fullmatch(name):  # in most headers it is not
        return values
    blank, _ = extent(header, 0, len(header))
    while at >= 0:
        if found := _BEHIND_NAME.match(header, at + len(name), blank):
            values.append(unfolded(found[1]))
        at = lines.find(begin, at + 1)
    return values


def field_names(header: bytes) -> list[bytes]:
    """The names of all its fields in lower case, as field_lines() finds them."""
    return _NAMES.findall(b"\n" + header.lower())


def unfolded(value: bytes) -> bytes:
    """What stands behind a field's colon, as one line (RFC 5322 section 2.2.3) without blanks around it."""
    value = value.strip(b" \t\r\n")
    return value.replace(b"\r\n", b"").replace(b"\n", b"") if b"\n" in value else value


def extent(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the empty line that ends the header begins and ends; both are `end` where there is none."""
    empty = _EMPTY_LINE.match(data, start, end)
    if empty is None:
        before = _BEFORE_EMPTY_LINE.search(data, start, end)
        empty = _EMPTY_LINE.match(data, before.end(), end) if before else None
    return empty.span() if empty else (end, end)


def field_lines(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Name, start, start of the value, and end of every field between the offsets; opaque lines left out."""
    position = start
    while position < end:
        name = _NAME.match(data, position, end)
        last = _LAST_LF.search(data, position, end)
        stop = last.end() if last else end
        if name:
            yield name[1], position, name.end(), stop
        position = stop


def scan(data: bytes, start: int = 0, end: int | None = None, limit: int = FIELD_LIMIT) -> Header:
    """The header whose first line begins at `start`: its first `limit` fields, at most up to `end`."""
    blank, body = extent(data, start, len(data) if end is None else end)
    return Header(data, start, blank, body, limit)
