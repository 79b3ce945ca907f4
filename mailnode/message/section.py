"""Sections of a message, as BODY[<section>] names them (RFC 3501 section 6.4.5)."""

import functools
import re
from collections.abc import Sequence
from typing import Literal

from mailnode.message.header import VALUE, extent, field_lines
from mailnode.message.mime import Part
from mailnode.values import frozen
from mailnode.wire.octets import occurrences

_FEW = 32  # names of fields that are looked for by a pattern, and octets for each: patterns are kept
_FEW_OCTETS = 128

_FIELD_NAME = re.compile(rb"[!-9;-~]+")

What = Literal["", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"]


@frozen
class Section:
    """`section-spec`: part numbers, what of that part, and for HEADER.FIELDS the field-names."""

    path: tuple[int, ...] = ()
    what: What = ""
    fields: tuple[bytes, ...] = ()


@frozen
class Range:
    """A stretch of a message on disk, `end` not included."""

    start: int
    end: int


def locate(root: Part, section: Section) -> Range | None:
    """Where the section lies; None where the message has no such part, or the part no such thing.

    For HEADER.FIELDS and HEADER.FIELDS.NOT it is the whole header, to be cut down by `header_fields`.
    """
    part = part_at(root, section.path)
    if part is None:
        return None
    if section.what == "MIME":
        return Range(part.header_start, part.body_start) if section.path else None
    if section.what == "":
        return Range(part.body_start if section.path else part.header_start, part.end)
    message = part.message if section.path else root
    if message is None:
        return None
    if section.what == "TEXT":
        return Range(message.body_start, message.end)
    return Range(message.header_start, message.body_start)


def part_at(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part with that number, the root itself for no number; None where there is no such part."""
    part, inner = root, _parts_of_message(root)
    for number in path:
        if not 1 <= number <= len(inner):
            return None
        part = inner[number - 1]
        if part.message:
            inner = _parts_of_message(part.message)
        else:
            inner = part.children
    return part


def _parts_of_message(message: Part) -> Sequence[Part]:
    """The numbered parts: a message that is no multipart is its own part 1."""
    return message.children if message.is_multipart else (message,)


def header_fields(header: bytes, fields: Sequence[bytes], negate: bool) -> bytes:
    """The fields of a header with one of the names, or with none of them, byte for byte and in their order.

    The header's empty line follows, if it has one. Lines that are no fields are in neither subset.
    """
    blank, end = extent(header, 0, len(header))
    if not negate and _are_few(fields) and header.endswith(b"\n", 0, blank):
        found = _fields_called(tuple(fields)).findall(b"\n" + header, 0, blank)
        return b"%b%b" % ((b"".join(found) + b"\n")[1:] if found else b"", header[blank:end])
    names = {name.lower() for name in fields}
    lines = [
        header[start:stop]
        for name, start, _, stop in field_lines(header, 0, blank)
        if (name.lower() in names) is not negate
    ]
    return b"".join([*lines, header[blank:end]])


def fields_of_headers(headers: Sequence[bytes], fields: Sequence[bytes]) -> list[bytes | None]:
    """What header_fields() finds in each of some headers of messages; None for one that is not in ASCII.

    They are looked through all together, where each ends in a line end, the only empty line is the last one
    (that header_fields() looks for no others there), and there is no NUL.
    """
    count = len(headers)
    text = b"\n%b\0" % b"\0\n".join(headers)
    found = b"".join(_fields_between(tuple(fields)).findall(text)) if _are_few(fields) else b""
    if not occurrences(text, b"\0") == found.count(b"\n\0") == count:
        return [header_fields(one, fields, negate=False) if one.isascii() else None for one in headers]
    pieces = found[1:-1].split(b"\0\n")
    if text.isascii():
        return [*pieces]
    return [one if header.isascii() else None for header, one in zip(headers, pieces, strict=True)]


def _are_few(fields: Sequence[bytes]) -> bool:
    return len(fields) <= _FEW and sum(map(len, fields)) <= _FEW * _FEW_OCTETS


def is_for_lists(section: Section) -> bool:
    """Whether it is fields of a message's header with a few real names: what clients show in lists."""
    return (
        section.what == "HEADER.FIELDS"
        and not section.path
        and _are_few(section.fields)
        and all(map(_FIELD_NAME.fullmatch, section.fields))
    )


_FIELD = rb"(?:%b)[ \t]*+:" + VALUE


@functools.lru_cache(maxsize=256)
def _fields_called(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Fields of one of these names with their continuations, found as field_lines() finds them.

    The line end before a field is found with it, and the one behind it is not: what begins with an octet that
    has no case is looked for much faster than what begins with a line.
    """
    return re.compile(rb"\n" + _FIELD % _any_of(names), re.IGNORECASE)


@functools.lru_cache(maxsize=64)
def _fields_between(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """The same in headers that have a LF before and a NUL behind them, which is found with the empty line.

    Most lines begin with none of the octets that are looked for.
    """
    first = b"".join(re.escape(name[:1]) for name in names if _FIELD_NAME.fullmatch(name))
    found = rb"\n(?=[%b\r\n\0])(?:" + _FIELD + rb"|(?:\r?\n)?+\0)"
    return re.compile(found % (first, _any_of(names)), re.IGNORECASE)


def _any_of(names: tuple[bytes, ...]) -> bytes:
    return b"|".join(re.escape(name) for name in names if _FIELD_NAME.fullmatch(name)) or rb"(?!)"
