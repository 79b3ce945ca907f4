"""Address lists as ENVELOPE shows them (RFC 5322 sections 3.4 and 4.4, RFC 3501 section 7.4.2).

A reader takes tokens one by one and never looks back, so any input takes linear time, and every input gives
something. Where the grammar is left:

- without `@`, all the text is the mailbox and the host is the empty string (NIL would mean a group);
- the last `@` divides mailbox and host;
- `;` outside a group divides like a comma; a group that is not closed ends with the text, and a group that
  begins inside another one ends that;
- a second `<` begins another address; words after `>` are left out; `>` without `<` is left out.

Encoded words stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mailnode.message.lexical import comment, quoted_string
from mailnode.values import frozen

ADDRESS_LIMIT: Final = 1000
FIELD_LIMIT: Final = 65536  # octets

_WORD = re.compile(rb'[^ \t\r\n()<>@,;:".\[]+')
_LITERAL = re.compile(rb'\[[^\]<>,;"(]*\]?')
_SPACE = re.compile(rb"[ \t\r\n]+")


@frozen
class Address:
    """The four members of an IMAP address; None is NIL.

    A group begins with (None, None, name, None) and ends with four times None. The route is the
    at-domain-list of an obsolete route-addr, without its colon.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


GROUP_END: Final = Address(None, None, None, None)


class _Token(NamedTuple):
    kind: bytes  # the special itself; `w` for a word, `(` for a comment
    value: bytes
    spaced: bool  # white space or a comment stands before it


def parse(value: bytes, limit: int = ADDRESS_LIMIT) -> list[Address]:
    """The addresses and group marks of an unfolded field value.

    What follows `limit` of them, or the first `FIELD_LIMIT` octets, is left out; a group open there is still
    ended by its mark.
    """
    reader = _Reader()
    for token in _tokens(value[:FIELD_LIMIT]):
        reader.take(token)
        if len(reader.found) >= limit:
            break
    else:
        reader.end_address()
    reader.end_group()
    return reader.found


def _tokens(text: bytes) -> Iterator[_Token]:
    position, spaced = 0, False
    while position < len(text):
        space = _SPACE.match(text, position)
        if space:
            position, spaced = space.end(), True
            continue
        kind = text[position : position + 1]
        if kind == b"(":
            value, position = comment(text, position)
        elif kind == b'"':
            kind = b"w"
            value, position = quoted_string(text, position)
        elif word := _WORD.match(text, position) or _LITERAL.match(text, position):
            kind, value, position = b"w", word[0], word.end()
        else:
            value, position = kind, position + 1
        yield _Token(kind, value, spaced)
        spaced = kind == b"("


def _joined(tokens: Sequence[_Token], *, phrase: bool) -> bytes:
    """The text of the tokens: single spaces between words, and in a phrase wherever white space stood."""
    pieces: list[bytes] = []
    before = b""
    for token in tokens:
        if pieces and token.spaced and (phrase or token.kind == before == b"w"):
            pieces.append(b" ")
        pieces.append(token.value)
        before = token.kind
    return b"".join(pieces)


@dataclass(slots=True)
class _Reader:
    """What is known of the address being read, and the addresses before it."""

    found: list[Address] = field(default_factory=list)
    phrase: list[_Token] = field(default_factory=list)
    angle: list[_Token] | None = None  # what stands in `<` `>`
    inside: bool = False  # between `<` and `>`
    route: bytes | None = None
    remark: bytes | None = None  # the last comment
    grouped: bool = False

    def take(self, token: _Token) -> None:
        """Read one token."""
        if token.kind == b"(":
            self.remark = token.value
        elif self.inside and self.angle is not None:
            self._take_inside(token, self.angle)
        elif token.kind == b"<":
            if self.angle is not None:
                self.end_address()
            self.angle, self.inside = [], True
        elif token.kind in (b",", b";"):
            self.end_address()
            if token.kind == b";":
                self.end_group()
        elif token.kind == b":" and self.angle is None:
            self._begin_group()
        elif self.angle is None and token.kind not in (b":", b">"):
            self.phrase.append(token)

    def _take_inside(self, token: _Token, angle: list[_Token]) -> None:
        routing = self.route is None and bool(angle) and angle[0].kind == b"@"
        if token.kind == b">":
            self.inside = False
        elif token.kind == b":" and routing:
            self.route = _joined(angle, phrase=False)
            angle.clear()
        elif token.kind in (b",", b";") and not routing:
            self.inside = False
            self.take(token)
        else:
            angle.append(token)

    def _begin_group(self) -> None:
        name = _joined(self.phrase, phrase=True)
        self._forget()
        self.end_group()
        self.found.append(Address(None, None, name, None))
        self.grouped = True

    def end_group(self) -> None:
        """End the group, if there is one."""
        if self.grouped:
            self.found.append(GROUP_END)
        self.grouped = False

    def end_address(self) -> None:
        """Keep what has been read as an address, if there is anything."""
        if self.angle is not None:
            name = _joined(self.phrase, phrase=True) or self.remark
            self._keep(name, self.angle)
        elif self.phrase:
            self._keep(self.remark, self.phrase)
        self._forget()

    def _keep(self, name: bytes | None, tokens: list[_Token]) -> None:
        marks = [index for index, token in enumerate(tokens) if token.kind == b"@"]
        at = marks[-1] if marks else len(tokens)
        mailbox = _joined(tokens[:at], phrase=False)
        host = _joined(tokens[at + 1 :], phrase=False)
        self.found.append(Address(name or None, self.route, mailbox, host))

    def _forget(self) -> None:
        self.phrase, self.angle, self.inside, self.route, self.remark = [], None, False, None, None
