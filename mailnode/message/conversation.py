"""Which conversation a message belongs to: the root of its references (RFC 5322 section 3.6.4).

What this gives may be kept for ever under a name that must not change (RFC 8474 section 5.2), so it hangs on
nothing but the message's own header: not on which other messages are there, nor on what order they came in.
"""

import re
from collections.abc import Iterable

from mailnode.message.header import values_of

_ID = re.compile(rb"<([^<>\s]++)>")
_FIELDS = (b"references", b"in-reply-to", b"message-id")


def root(header: bytes) -> bytes | None:
    """The message that the conversation began with: its message-id without brackets; None where none is told.

    The first of References names it in all replies, however deep. Where that is missing the message answers
    what In-Reply-To names, or begins a conversation. Quotes count for nothing in a message-id.
    """
    for name in _FIELDS:
        found = _first_id(values_of(header, name))
        if found is not None:
            return found
    return None


def _first_id(values: Iterable[bytes]) -> bytes | None:
    for value in values:
        found = _ID.search(value)
        if found is not None:
            return found[1].replace(b'"', b"")
    return None
