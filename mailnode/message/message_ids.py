"""Message-ids (RFC 5322 section 3.6.4), and what of them THREAD compares (RFC 5256 section 3)."""

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

DIGEST: Final = 16
REFERENCES: Final = 200  # of one message
_FIELD_LIMIT: Final = 65536  # octets

# msg-id = "<" id-left "@" id-right ">". No "<" stands inside, quoted or not: so nothing is looked at twice.
# What may fail after a part of it was right is not possessive: Python 3.11.2 would not go back.
_MESSAGE_ID = re.compile(
    rb"""<((?:[^<>"@]++|"(?:[^<"\\]++|\\[^<])*+")+)@((?:[^<>"@\[\]]++|\[(?:[^<>\\\[\]]++|\\[^<])*+\])+)>""",
    re.DOTALL,
)
_INVISIBLE = re.compile(rb"[\x00-\x20\x7f]")
_COMMENTS = re.compile(rb"(?:[ \t]*\([^()\\]*\))*")
_UNQUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"|\Z)|[ \t\r\n]+|\\(.)', re.DOTALL)
_ODD = re.compile(rb'["\\ \t\r\n]')


def message_ids(value: bytes) -> Iterator[bytes]:
    """The valid message-ids in a field, one after the other, without brackets, quotes and blanks."""
    for found in _MESSAGE_ID.finditer(value):
        left, right = map(_normal, found.groups())
        if left and right:
            yield left + b"@" + right


def is_message_id(value: bytes) -> bool:
    """Whether a field has one message-id without blanks in it, and nothing but comments behind it."""
    found = _MESSAGE_ID.match(value)
    if found is None or _INVISIBLE.search(found[0]):
        return False
    return _COMMENTS.fullmatch(value, found.end()) is not None


def _normal(part: bytes) -> bytes:
    return _UNQUOTED.sub(_instead, part) if _ODD.search(part) else part


def _instead(found: "re.Match[bytes]") -> bytes:
    if found[1] is not None:
        return re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL)
    return found[2] or b""


def digest(message_id: bytes) -> bytes:
    """What stands for a message-id: `DIGEST` octets, of which nobody finds two that are the same."""
    return hashlib.blake2b(message_id, digest_size=DIGEST).digest()


def references(field: bytes | None, in_reply_to: bytes | None) -> list[bytes]:
    """What a message answers, its parent last: the References, or else the first id of In-Reply-To.

    Of very many the first stays, which the thread began with, and the last ones.
    """
    value = field or b""
    if len(value) > 2 * _FIELD_LIMIT:
        head, tail = value[:_FIELD_LIMIT], value[-_FIELD_LIMIT:]
        value = head[: head.rfind(b">") + 1] + tail[max(0, tail.find(b"<")) :]
    found = message_ids(value)
    first = next(found, None)
    if first is None:
        return list(islice(message_ids((in_reply_to or b"")[:_FIELD_LIMIT]), 1))
    return list(chain((first,), deque(found, REFERENCES - 1)))
