"""Which conversation a message belongs to: the root of its references (RFC 5322 section 3.6.4).

What this gives may be kept for ever under a name that must not change (RFC 8474 section 5.2), so it hangs on
nothing but the message's own header: not on which other messages are there, nor on what order they came in.
"""

from mailnode.message.header import values_of
from mailnode.message.message_ids import message_ids

_FIELDS = (b"references", b"in-reply-to", b"message-id")


def root(header: bytes) -> bytes | None:
    """The message that the conversation began with, by its message-id; None where none is told.

    The first of References names it in all replies, however deep. Where that is missing the message answers
    what In-Reply-To names, or begins a conversation.
    """
    for name in _FIELDS:
        for value in values_of(header, name):
            found = next(message_ids(value), None)
            if found is not None:
                return found
    return None
