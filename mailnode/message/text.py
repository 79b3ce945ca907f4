"""What SEARCH looks at: headers and texts of a message as Unicode, folded for comparison."""

import html
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

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


def header_text(header: Header) -> str:
    """The fields of a header, one a line as `name: value`, unfolded and with encoded words decoded."""
    return "\n".join(
        f"{field.name.decode('latin-1')}: {decode_words(header.value(field))}" for field in header.fields
    )


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


def searchable(data: bytes, root: Part, limit: int) -> str | None:
    """All that SEARCH compares of a message, folded, in one text; None for more than `limit` characters.

    Whatever stands in a text or in a header field's value, folded for itself, stands in it too.
    """
    if sum(part.end - part.body_start for part in root.walk() if part.type == b"text") > limit:
        return None
    pieces: list[str] = []
    room = limit
    for piece in chain(_values(data, root), _all_blocks(texts(data, root))):
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            return None
    return "".join(pieces)


def _all_blocks(all_texts: Iterable[str]) -> Iterator[str]:
    """The blocks of all texts; a line end follows each text."""
    for text in all_texts:
        yield from folded(text)
        yield "\n"


def _values(data: bytes, root: Part) -> Iterator[str]:
    """The values of the header that might fold otherwise in the midst of the header, each with a line end.

    The blocks in which a text is folded are cut elsewhere in a value that stands alone.
    """
    header = scan(data, root.header_start, root.body_start)
    for field in header.fields:
        value = decode_words(header.value(field))
        if not value.isascii():
            yield fold(value) + "\n"
