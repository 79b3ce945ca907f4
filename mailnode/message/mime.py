"""The MIME structure of a message as offsets into its bytes (RFC 2045, 2046).

One pass finds every part: a stack holds the parts that are open, a table the boundaries that are open, and
only lines that begin with `--` and what all open boundaries begin with are looked at. A line is a boundary
line if what follows the `--`, trailing white space left out, equals an open boundary exactly, or equals one
with `--` behind it, which closes it. The line end before the line belongs to it. The line of an outer
boundary closes whatever is open inside; of two equal open boundaries the inner one counts.

What does not make sense gets a meaning here, once, so that every view of the message agrees:

- no or broken Content-Type: text/plain (RFC 2045 section 5.2), or message/rfc822 in a multipart/digest
  (RFC 2046 section 5.1.5);
- of fields that stand twice, the first counts;
- a multipart without a boundary, or in which no part begins: text/plain without parameters;
- message/rfc822 in base64 or another real encoding, which RFC 2046 section 5.2.1 forbids: there is no
  message to be read in it: application/octet-stream;
- a multipart or message/rfc822 too deep (`DEPTH_LIMIT`) or too late (`PART_LIMIT`): application/octet-stream.
  Boundary lines after that many parts still end parts but begin none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Final

from mailnode.message.envelope import envelope
from mailnode.message.header import Header, extent, scan
from mailnode.message.parameters import (
    ContentType,
    Disposition,
    Parameters,
    content_type,
    disposition,
    language,
    parameter,
    transfer_encoding,
)
from mailnode.message.wire_form import count_lines
from mailnode.values import frozen

DEPTH_LIMIT: Final = 100
PART_LIMIT: Final = 1000

PLAIN: Final = ContentType(b"text", b"plain")
MESSAGE: Final = ContentType(b"message", b"rfc822")
IDENTITY: Final = frozenset((b"7bit", b"8bit", b"binary"))

_HEADER_STOP = re.compile(rb"\n(?:(?=--)|\r?\n)")


@dataclass(slots=True)
class Part:
    """A message or body part. Offsets are of the bytes on disk; sizes are what the wire will carry.

    The header lies from `header_start` to `body_start` (its empty line included), the body from there to
    `end`. `type`, `subtype` and `encoding` are in lower case, all else is as written. `octets` is the size of
    the body on the wire and `lines` the number of line ends in it. A multipart has one child or more,
    a message/rfc822 exactly one, its message, and that one's envelope in `envelope`; others have none.
    """

    header_start: int
    body_start: int
    end: int
    type: bytes
    subtype: bytes
    params: Parameters = ()
    encoding: bytes = b"7bit"
    id: bytes | None = None
    description: bytes | None = None
    disposition: Disposition | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None
    md5: bytes | None = None
    octets: int = 0
    lines: int = 0
    envelope: bytes | None = None
    children: list["Part"] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        """Whether the children are the parts of a multipart."""
        return self.type == b"multipart"

    @property
    def message(self) -> "Part | None":
        """The message inside a message/rfc822, None for other types."""
        return self.children[0] if self.children and not self.is_multipart else None

    def walk(self) -> Iterator["Part"]:
        """This part and every part inside it, in the order of their first octets."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))


def parse(data: bytes, verbatim: bool = False) -> Part:
    """The part tree of a message; every input has one, and always the same one."""
    return read(data, verbatim)[1]


def read(data: bytes, verbatim: bool = False) -> tuple[Header, Part]:
    """The header of a message, and its part tree."""
    header, root = _Tree(data).build()
    _measure(data, root, verbatim)
    return header, root


def _measure(data: bytes, root: Part, verbatim: bool) -> None:
    """Fill in octets and lines of every part, counting each stretch between two offsets once."""
    parts = list(root.walk())
    offsets = sorted({offset for part in parts for offset in (part.body_start, part.end)})
    totals = {offsets[0]: (0, 0)}
    lines = bare = 0
    for start, end in pairwise(offsets):
        more_lines, more_bare = count_lines(data, start, end)
        lines, bare = lines + more_lines, bare + more_bare
        totals[end] = lines, bare
    for part in parts:
        (lines, bare), (end_lines, end_bare) = totals[part.body_start], totals[part.end]
        part.lines = end_lines - lines
        part.octets = part.end - part.body_start + (0 if verbatim else end_bare - bare)


@dataclass(slots=True)
class _Open:
    """A part whose end is not yet known; `boundary` while its boundary lines count."""

    part: Part
    boundary: bytes | None = None
    shadowed: int | None = None  # where in the stack another part has the same boundary


@frozen
class _BoundaryLine:
    start: int  # the LF before it
    end: int  # after its own LF
    depth: int  # of the part it belongs to
    closing: bool


class _Tree:
    """One pass over a message. A search position is the offset of an LF after which a line may begin."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stack: list[_Open] = []
        self._boundaries: dict[bytes, int] = {}
        self._mark = b""
        self._count = 0

    def build(self) -> tuple[Header, Part]:
        """The header of the root, and the tree without octets and lines."""
        header, root, position = self._begin(0, -1)
        while line := self._next(position):
            self._close(line.depth + 1, self._before(line.start))
            position = line.end - 1
            if line.closing:
                self._retire(self._stack[line.depth])
            elif self._count < PART_LIMIT:
                _, _, position = self._begin(line.end, position)
        self._close(0, len(self._data))
        return header, root

    def _begin(self, start: int, position: int) -> tuple[Header, Part, int]:
        """Open the part that begins at `start` and the messages in it.

        Gives the header of the first part, that part, and where to go on.
        """
        opened: list[tuple[Header, Part]] = []
        inside = True
        while inside:
            body, position = self._header(start, position)
            header = scan(self._data, start, body)
            part = _described(header, start, body, self._default_type())
            if opened:
                opened[-1][1].envelope = envelope(header)
            opened.append((header, part))
            if self._stack:
                self._stack[-1].part.children.append(part)
            self._count += 1
            inside = self._push(part)
            start = body
        return *opened[0], position

    def _default_type(self) -> ContentType:
        parent = self._stack[-1].part if self._stack else None
        digest = parent is not None and (parent.type, parent.subtype) == (b"multipart", b"digest")
        return MESSAGE if digest else PLAIN

    def _push(self, part: Part) -> bool:
        """Put a part on the stack; whether it is a message/rfc822, in whose body another part begins."""
        message = (part.type, part.subtype) == (b"message", b"rfc822")
        full = len(self._stack) + 1 >= DEPTH_LIMIT or self._count >= PART_LIMIT
        if (message and part.encoding not in IDENTITY) or (full and (message or part.is_multipart)):
            part.type, part.subtype = b"application", b"octet-stream"
            message = False
        opened = _Open(part)
        boundary = parameter(part.params, b"boundary") if part.is_multipart else None
        if boundary and (boundary := boundary.rstrip(b" \t\r\n")):
            opened.boundary = boundary
            opened.shadowed = self._boundaries.get(boundary)
            self._boundaries[boundary] = len(self._stack)
            self._set_mark()
        self._stack.append(opened)
        return message

    def _retire(self, opened: _Open) -> None:
        """From here on the part's boundary lines count no more."""
        if opened.boundary is None:
            return
        del self._boundaries[opened.boundary]
        if opened.shadowed is not None:
            self._boundaries[opened.boundary] = opened.shadowed
        opened.boundary = None
        self._set_mark()

    def _set_mark(self) -> None:
        """Look only for lines that begin as all open boundaries do; 70 octets are the most of a legal one."""
        first, last = min(self._boundaries, default=b"")[:70], max(self._boundaries, default=b"")[:70]
        if first != last:
            alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
            first = bytes(octet for octet, _ in alike)
        self._mark = b"\n--" + first

    def _close(self, depth: int, end: int) -> None:
        """End every part from `depth` up at `end`, or behind what they hold already."""
        while len(self._stack) > depth:
            opened = self._stack.pop()
            self._retire(opened)
            part = opened.part
            part.end = max(part.body_start, end, part.children[-1].end if part.children else 0)
            if part.is_multipart and not part.children:
                part.type, part.subtype, part.params = b"text", b"plain", ()

    def _before(self, line_feed: int) -> int:
        """Where the line end begins whose LF is given."""
        return line_feed - (self._data[line_feed - 1 : line_feed] == b"\r")

    def _header(self, start: int, position: int) -> tuple[int, int]:
        """Where the body of the part at `start` begins, and the search position there.

        A header ends after its empty line, or before the line end of a boundary line. The two are looked for
        together, so that a long header that holds many parts is not searched again for each of them.
        """
        if not self._boundaries:
            body = extent(self._data, start, len(self._data))[1]
            return body, body - 1
        for stop in _HEADER_STOP.finditer(self._data, position):
            if stop[0] != b"\n":
                return stop.end(), stop.end() - 1
            if self._line(stop.start()):
                return max(start, self._before(stop.start())), stop.start()
        return len(self._data), len(self._data)

    def _next(self, position: int) -> _BoundaryLine | None:
        """The first boundary line whose preceding LF is at `position` or later."""
        while self._boundaries and (position := self._data.find(self._mark, max(position, 0))) >= 0:
            if line := self._line(position):
                return line
            position += 1
        return None

    def _line(self, start: int) -> _BoundaryLine | None:
        """The line after the LF at `start`, which begins with two hyphens, if it is a boundary line."""
        stop = self._data.find(b"\n", start + 1)
        end = stop + 1 if stop >= 0 else len(self._data)
        text = self._data[start + 3 : end].rstrip(b" \t\r\n")
        if (depth := self._boundaries.get(text)) is not None:
            return _BoundaryLine(start, end, depth, closing=False)
        if text.endswith(b"--") and (depth := self._boundaries.get(text[:-2])) is not None:
            return _BoundaryLine(start, end, depth, closing=True)
        return None


def _described(header: Header, start: int, body: int, default: ContentType) -> Part:
    """A part with what its header says of it."""
    kind = content_type(header.get(b"content-type") or b"") or default
    place = header.get(b"content-disposition")
    return Part(
        header_start=start,
        body_start=body,
        end=body,
        type=kind.type,
        subtype=kind.subtype,
        params=kind.parameters,
        encoding=transfer_encoding(header.get(b"content-transfer-encoding")),
        id=header.get(b"content-id"),
        description=header.get(b"content-description"),
        disposition=disposition(place) if place else None,
        language=language(header.get(b"content-language")),
        location=header.get(b"content-location"),
        md5=header.get(b"content-md5"),
    )
