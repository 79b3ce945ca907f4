r"""One command from lines and literals (RFC 3501 section 2.2.1, 4.3 and 9; LITERAL+ of RFC 7888).

    command = tag SP command-name [arguments] CRLF      literal = "{" number ["+"] "}" CRLF *CHAR8

A line that ends in a literal's announcement is not the end of the command: its octets follow, then the next
line. The assembler takes lines and literals in turn and says what it wants next. It reads the announcement
before anything else, so that octets the client sends unasked (`+`) are known also when the rest is wrong.
"""

import re

from mailnode.values import frozen
from mailnode.wire import abnf
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

_ANNOUNCEMENT = re.compile(rb"\{([0-9]+)(\+?)\}")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9.-]*\Z")
_TAG_LIMIT = 128
HUGE = 10**18


@frozen
class Announced:
    """The client wants to send a literal of `size` octets; without `synchronizing` it does not ask."""

    size: int
    synchronizing: bool


def announcement(line: bytes) -> Announced | None:
    """The literal that follows this line, if it ends in the announcement of one.

    A size of more than 18 digits is given as HUGE: no limit allows either.
    """
    marker = _ANNOUNCEMENT.fullmatch(line, max(0, line.rfind(b"{")))
    if marker is None:
        return None
    digits = marker[1].lstrip(b"0") or b"0"
    return Announced(int(digits) if len(digits) <= 18 else HUGE, synchronizing=not marker[2])


def tag_of(start: bytes) -> bytes:
    """The tag of a command whose first octets these are; "*" where none can be read."""
    tag, space, _ = start.partition(b" ")
    return tag if space and _is_tag(tag) else b"*"


def _is_tag(text: bytes) -> bool:
    return 0 < len(text) <= _TAG_LIMIT and abnf.is_all(text, abnf.TAG_CHAR)


class Assembler:
    """One command while it comes in. `tag` is "*" until one was read; `name` is in upper case.

    With `utf8` its mailbox names are in UTF-8.
    """

    def __init__(self, *, utf8: bool = False) -> None:
        self._utf8 = utf8
        self.tag = b"*"
        self.name = ""
        self.text_octets = 0
        self.literal_octets = 0
        self._texts: list[bytes] = []
        self._literals: list[bytes] = []

    def line(self, line: bytes) -> Announced | None:
        """Take a line without its CRLF; gives the literal that comes next, None at the command's end."""
        self.text_octets += len(line)
        announced = announcement(line)
        self._texts.append(line if announced is None else line[: line.rindex(b"{")])
        return announced

    def literal(self, octets: bytes) -> None:
        """Take the octets of the literal that was announced."""
        self.literal_octets += len(octets)
        self._literals.append(octets)

    def begin(self) -> None:
        """Read tag and name from the first line; raises BadSyntax, after setting `tag` if that was right."""
        tag, space, rest = self._texts[0].partition(b" ")
        if not _is_tag(tag):
            raise BadSyntax("Tag expected")
        self.tag = tag
        name, _, after = rest.partition(b" ")
        if name.upper() == b"UID":
            name = b"UID " + after.partition(b" ")[0]
        if not space or not _NAME.match(name.removeprefix(b"UID ")):
            raise BadSyntax("Command name expected")
        self.name = name.decode("ascii").upper()
        self._texts[0] = rest[len(name) :]

    def arguments(self, *, awaited: bool = False) -> Cursor:
        """What follows the name; with `awaited`, a literal at the end has been announced and is not here."""
        texts = [*self._texts, b""] if awaited else self._texts
        return Cursor(texts, self._literals, utf8=self._utf8)
