"""Quoted strings, comments and white space, as every structured field has them (RFC 5322 section 3.2).

All functions take a text and a position in it, go forward only, and take an unclosed construct as closed by
the end of the text: nothing here raises, and every octet is looked at once.
"""

import re

_QUOTED_STOP = re.compile(rb'["\\]')
_COMMENT_STOP = re.compile(rb"[()\\]")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_NO_SPACE = re.compile(rb"[^ \t\r\n]")


def _unescaped(text: bytes) -> bytes:
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text


def quoted_string(text: bytes, start: int) -> tuple[bytes, int]:
    """The content of the quoted-string whose DQUOTE is at `start`, and the position after it."""
    position = start + 1
    while stop := _QUOTED_STOP.search(text, position):
        if stop[0] == b'"':
            return _unescaped(text[start + 1 : stop.start()]), stop.end()
        position = stop.end() + 1
    return _unescaped(text[start + 1 :]), len(text)


def comment(text: bytes, start: int) -> tuple[bytes, int]:
    """The content of the comment whose parenthesis is at `start`, and the position after it.

    Comments nest; the inner parentheses stay in the content.
    """
    position, depth = start + 1, 1
    while stop := _COMMENT_STOP.search(text, position):
        position = stop.end()
        if stop[0] == b"\\":
            position += 1
            continue
        depth += 1 if stop[0] == b"(" else -1
        if not depth:
            return _unescaped(text[start + 1 : stop.start()]), position
    return _unescaped(text[start + 1 :]), len(text)


def skip(text: bytes, start: int) -> int:
    """The position of the first octet at or after `start` that is neither white space nor comment (CFWS)."""
    position = start
    while stop := _NO_SPACE.search(text, position):
        if stop[0] != b"(":
            return stop.start()
        position = comment(text, stop.start())[1]
    return len(text)


def without_comments(text: bytes) -> bytes:
    """The text with every comment replaced by a space; for fields without quoted strings."""
    pieces = []
    position = 0
    while (start := text.find(b"(", position)) >= 0:
        pieces.append(text[position:start])
        position = comment(text, start)[1]
    return b" ".join([*pieces, text[position:]])
