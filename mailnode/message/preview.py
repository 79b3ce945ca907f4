"""The first words of a message, for a list of messages (PREVIEW, RFC 8970).

They come from the first text that is no attachment and has any to show: its first octets, decoded, HTML
without its markup, white space collapsed. What was quoted from the message before is left out where there
is anything else, and so are the line that introduces it and the signature. The work is bounded, whatever the
message is.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, takewhile
from typing import Final

from mailnode.message.encoded import decode_charset, decode_transfer
from mailnode.message.mime import Part
from mailnode.message.parameters import parameter
from mailnode.message.text import without_markup

LIMIT: Final = 200  # characters; the RFC allows 256

_HTML: Final = (b"html", b"xhtml")
_OCTETS: Final = {b"plain": 16384, **dict.fromkeys(_HTML, 65536)}  # of a text that are looked at
_TEXTS: Final = 8  # that are looked at, if those before have nothing to show

_BLANK = re.compile(r"\s")
_BODY = re.compile(r"<body\b", re.IGNORECASE)
_ENCRYPTED: Final = "-----BEGIN PGP MESSAGE"
_SIGNATURE: Final = "--"

# What is not seen: control characters but white space, soft hyphens, marks without width, what would turn the
# direction of the text behind the preview, and marks for objects.
_CONTROLS: Final = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if not chr(code).isspace()]
_CODES: Final = (
    *_CONTROLS, 0xAD, 0x34F, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F),
    *range(0x2060, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD),
)  # fmt: skip
_UNSEEN = re.compile(f"[{''.join(map(chr, _CODES))}]+")
_JOINERS: Final = "\u200c\u200d"  # they shape letters and emoji, and are nothing between blanks


def preview(data: bytes, root: Part) -> str:
    """At most LIMIT characters without line ends or control characters; "" where there is nothing to show."""
    for part in islice(_shown(root), _TEXTS):
        text = _text(data, part)
        found = _first_words([_without_head(text)] if part.subtype in _HTML else _own_lines(text))
        if found:
            return found
    return ""


def _shown(root: Part) -> Iterator[Part]:
    """The plain and HTML texts, in their order; nothing that is attached, and nothing inside that."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.disposition is not None and part.disposition.type.lower() == b"attachment":
            continue
        if part.type == b"text" and part.subtype in _OCTETS:
            yield part
        waiting.extend(reversed(part.children))


def _text(data: bytes, part: Part) -> str:
    """The start of a text. It is cut at a blank: elsewhere the cut might go through a character."""
    end = min(part.end, part.body_start + _OCTETS[part.subtype])
    octets = decode_transfer(data[part.body_start : end], part.encoding)
    if end < part.end:
        octets = octets[: max(octets.rfind(b" "), octets.rfind(b"\n"))]
    return decode_charset(octets, parameter(part.params, b"charset")).rstrip("\ufffd")


def _without_head(source: str) -> str:
    body = _BODY.search(source)
    return without_markup(source[body.start() :] if body else source)


def _own_lines(text: str) -> Iterable[str]:
    """The lines that are not quoted, or all if there are no others; none of what is encrypted."""
    lines = takewhile(_is_said, map(str.strip, text.splitlines()))
    return _without_quotes(lines) if ">" in text else lines


def _is_said(line: str) -> bool:
    return line != _SIGNATURE and not line.startswith(_ENCRYPTED)


def _without_quotes(lines: Iterable[str]) -> list[str]:
    own: list[str] = []
    quoted: list[str] = []
    in_quote = False
    for line in lines:
        if line.startswith(">"):
            if not in_quote:
                _drop_introduction(own)
            quoted.append(line.lstrip("> "))
        elif line:
            own.append(line)
        in_quote = line.startswith(">")
    return own or quoted


def _drop_introduction(lines: list[str]) -> None:
    """ "On Monday, Anna wrote:", which may end on a line with nothing but the verb."""
    if lines and lines[-1].endswith(":"):
        last = lines.pop()
        if lines and " " not in last:
            lines.pop()


def _first_words(pieces: Iterable[str]) -> str:
    """The words that stand first in the pieces, with a space between two."""
    words: list[str] = []
    length = -1
    for word in chain.from_iterable(map(_words, pieces)):
        if not word.strip(_JOINERS):
            continue
        words.append(word)
        length += 1 + len(word)
        if length >= LIMIT:
            break
    return " ".join(words)[:LIMIT].rstrip()


def _words(text: str) -> Iterator[str]:
    """What stands between white space, without what is not seen; of a long text as far as somebody asks."""
    start = 0
    while start < len(text):
        blank = _BLANK.search(text, start + LIMIT)
        end = blank.start() if blank else len(text)
        yield from _UNSEEN.sub("", text[start:end]).split()
        start = end
