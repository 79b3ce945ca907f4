"""The header of a message while it comes in: held until it is whole, then checked and edited.

Only the header is ever held in memory, and only up to a limit; the body goes on as it comes. Lines end in
CRLF here: a message that holds any other line end is refused as a whole, whatever is found in it.
"""

from mailnode.config import Limits
from mailnode.message.header import field_lines, field_names
from mailnode.smtp.outcome import Refused
from mailnode.wire.smtp import Reply

HEADER_TOO_LARGE = Reply(552, "5.3.4", "The message header is too large")
TOO_MANY_HOPS = Reply(554, "5.4.6", "Too many hops: the message seems to loop")

_RECEIVED = b"received"
_CRLF = b"\r\n"
_EMPTY_LINE = b"\r\n\r\n"


class HeaderBlock:
    """Collects a header up to and with its empty line.

    `text` is what has come of it, `complete` tells that it has ended.
    """

    def __init__(self, limit: int) -> None:
        self.complete = False
        self._limit = limit
        # As if a CRLF stood before it: an empty line at the very start is no special case.
        self._held = bytearray(_CRLF)
        self._searched = 0

    @property
    def text(self) -> bytes:
        """The header so far."""
        return bytes(memoryview(self._held)[len(_CRLF) :])

    def feed(self, data: bytes) -> bytes:
        """Take octets; gives those that belong to the body already. Raises Refused for too large a header."""
        self._held += data
        found = self._held.find(_EMPTY_LINE, self._searched)
        self._searched = max(0, len(self._held) - len(_EMPTY_LINE) + 1)
        end = found + len(_EMPTY_LINE) if found >= 0 else len(self._held)
        if end - len(_CRLF) > self._limit:
            raise Refused(HEADER_TOO_LARGE)
        self.complete = found >= 0
        body = bytes(memoryview(self._held)[end:])
        del self._held[end:]
        return body


def edit(header: bytes, *, limits: Limits, remove: frozenset[bytes]) -> tuple[bytes, frozenset[bytes]]:
    """The header without the fields to be removed (names in lower case), and the names that are left.

    Every other octet stays as it is. Raises Refused for too long a field and too many Received fields
    (RFC 5321 section 6.3).
    """
    names = field_names(header)
    if _RECEIVED not in remove and names.count(_RECEIVED) > limits.received_hops:
        raise Refused(TOO_MANY_HOPS)
    left = frozenset(names)
    if left.isdisjoint(remove) and len(header) <= limits.header_field_size:  # nearly all
        return header, left
    kept: list[bytes] = []
    copied = 0
    for written, start, _, stop in field_lines(header, 0, len(header)):
        if stop - start > limits.header_field_size:
            raise Refused(HEADER_TOO_LARGE)
        if written.lower() in remove:
            kept.append(header[copied:start])
            copied = stop
    kept.append(header[copied:])
    return b"".join(kept), left - remove
