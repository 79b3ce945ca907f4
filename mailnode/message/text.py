"""What SEARCH looks at: headers and texts of a message as Unicode, folded for comparison."""

import html
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from mailnode.message.collation import blocks, fold
from mailnode.message.encoded import decode_charset, decode_transfer, decode_words
from mailnode.message.header import Header, scan
from mailnode.message.mime import Part
from mailnode.message.parameters import parameter

# A comment, a script or a style with all that is in it, or a tag. What is never closed goes to the end.
_MARKUP = re.compile(
    r"""<(?: !--(?:.*?-->|.*\Z) | script\b(?:.*?</script[^>]*+|.*\Z)>? | style\b(?:.*?</style[^>]*+|.*\Z)>?
    | /?([a-z][a-z0-9]*+)[^>]*+>? | [!?/][^>]*+>? )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# The elements that begin a new line.
_BREAKING: Final = frozenset((
    "address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "form",
    "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "option", "p", "pre",
    "section", "table", "td", "th", "title", "tr", "ul",
))  # fmt: skip

_STRETCH: Final = 16384  # characters

# No character has such a number, and int() refuses the longest of them.
_NO_CHARACTER = re.compile(r"&#[0-9]{10,};?")


class Searchable(NamedTuple):
    """What SEARCH compares of a message, folded: its header, and the text of every part that has one.

    `values` are those values of header fields that do not stand in the header, as they fold otherwise alone.
    """

    header: str
    parts: tuple[str, ...]
    values: tuple[str, ...]


def header_text(header: Header) -> str:
    """The fields of a header, one a line as `name: value`, unfolded and with encoded words decoded."""
    return _lines(_decoded(header))


def _decoded(header: Header) -> list[tuple[str, str]]:
    return [(field.name.decode("latin-1"), decode_words(header.value(field))) for field in header.fields]


def _lines(fields: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"{name}: {value}" for name, value in fields])


def part_text(data: bytes, part: Part) -> str:
    """The text of one part: a text part decoded, HTML without its markup, a message/rfc822's header.

    Every other part has none; the parts inside it speak for themselves.
    """
    if part.message:
        return _header_of(data, part.message)
    if part.type != b"text":
        return ""
    octets = decode_transfer(data[part.body_start : part.end], part.encoding)
    text = decode_charset(octets, parameter(part.params, b"charset"))
    return without_markup(text) if part.subtype in (b"html", b"xhtml") else text


def texts(data: bytes, root: Part) -> Iterator[str]:
    """The header of the message, then the text of every part that has one."""
    yield _header_of(data, root)
    yield from _part_texts(data, root)


def _part_texts(data: bytes, root: Part) -> Iterator[str]:
    for part in root.walk():
        if part.message or part.type == b"text":
            yield part_text(data, part)


def _header_of(data: bytes, message: Part) -> str:
    return header_text(scan(data, message.header_start, message.body_start))


def without_markup(source: str) -> str:
    """The words of an HTML text: no tags, comments, scripts or styles, and character references resolved.

    Tags that break the line become a line end. What is opened and never closed takes the rest with it. Every
    character is looked at a bounded number of times.
    """
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _MARKUP.sub(_instead, source)))


def _instead(markup: "re.Match[str]") -> str:
    name = markup[1]
    return "\n" if name and name.lower() in _BREAKING else ""


def folded(text: str) -> Iterator[str]:
    """The folded text in blocks; where it is cut depends on nothing but the text. There is at least one."""
    return (fold(block) for block in blocks(text, _STRETCH))


def stretches(text: str, overlap: int) -> Iterator[str]:
    """The folded text, one stretch after the other; each begins with the last `overlap` characters before it.

    So all that is longer than that by one character at most stands whole in one of them. There is at least
    one, also of an empty text.
    """
    tail = gathered = ""
    for block in folded(text):
        gathered += block
        if len(gathered) >= overlap:  # else a long overlap would be searched again with every short block
            stretch = tail + gathered
            yield stretch
            tail, gathered = stretch[len(stretch) - overlap :], ""
    if gathered or not text:
        yield tail + gathered


def searchable(data: bytes, root: Part, limit: int) -> Searchable | None:
    """All that SEARCH compares of a message; None for more than `limit` characters."""
    if sum(part.end - part.body_start for part in root.walk() if part.type == b"text") > limit:
        return None
    fields = _decoded(scan(data, root.header_start, root.body_start))
    found: list[str] = []
    room = limit
    for text in chain((_lines(fields),), _part_texts(data, root)):
        if len(text) > room:  # to fold a text never shortens it
            return None
        found.append("".join(folded(text)))
        room -= len(found[-1])
        if room < 0:
            return None
    return Searchable(found[0], tuple(found[1:]), tuple(_apart(fields, found[0])))


def _apart(fields: Iterable[tuple[str, str]], header: str) -> Iterator[str]:
    """The values that fold otherwise in the midst of the header: it is folded in blocks, cut elsewhere."""
    for _, value in fields:
        if not value.isascii() and (alone := fold(value)) not in header:
            yield alone
