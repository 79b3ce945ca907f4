"""What SORT and THREAD compare of a message (RFC 5256, RFC 5957), made once and kept as a few octets.

    flags  sent  end-1 ... end-6  key-1 ... key-6  [message-id]  reference ...

Flags say whether the message is a reply or forward, whether it has a valid message-id, and whether `sent` is
known. A key ends where its number says, counted from the start of the first. Message-ids are digests.
"""

import functools
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from mailnode.message.address_list import Address, parse
from mailnode.message.base_subject import base_subject
from mailnode.message.collation import collation_key, decoded
from mailnode.message.date import sent_date
from mailnode.message.header import Header
from mailnode.message.message_ids import DIGEST, digest, message_ids, references
from mailnode.message.remembered import remembered

_HEAD = struct.Struct("<Bq6H")
_START: Final = _HEAD.size
_REPLY, _IDENTIFIED, _SENT = 1, 2, 4


class Text(IntEnum):
    """The texts that messages are sorted by."""

    SUBJECT = 0
    FROM = 1
    TO = 2
    CC = 3
    DISPLAYFROM = 4
    DISPLAYTO = 5


class Facts(NamedTuple):
    """What threads are made of; `sent` is None where no Date field tells it, `identity` empty without one."""

    sent: int | None
    reply: bool
    subject: bytes
    identity: bytes
    references: tuple[bytes, ...]


def ordering(header: Header) -> bytes:
    """The octets for the message that has this header."""
    subject, reply = _subject(header.get(b"subject") or b"")
    author, display_author = _first_address(header.all(b"from")[:1])
    to, display_to = _first_address(header.all(b"to"))
    cc, _ = _first_address(header.all(b"cc"))
    keys = (subject, author, to, cc, display_author, display_to)
    ends = [0]
    for key in keys:
        ends.append(ends[-1] + len(key))
    date = header.get(b"date")
    sent = None if date is None else sent_date(date)
    identity = next(message_ids(header.get(b"message-id") or b""), None)
    flags = _REPLY * reply | _IDENTIFIED * (identity is not None) | _SENT * (sent is not None)
    fields = header.all(b"references")
    ids = [] if identity is None else [identity]
    ids += references(fields[0] if fields else None, header.get(b"in-reply-to"))
    return b"".join((_HEAD.pack(flags, sent or 0, *ends[1:]), *keys, *map(digest, ids)))


def text_key(octets: bytes, text: Text) -> bytes:
    """What stands for one of the texts."""
    ends = _HEAD.unpack_from(octets)
    start = ends[text + 1] if text else 0
    return octets[_START + start : _START + ends[text + 2]]


def sent(octets: bytes) -> int | None:
    """The sent date in seconds since the epoch; None where it is the INTERNALDATE."""
    flags, seconds, *_ = _HEAD.unpack_from(octets)
    return seconds if flags & _SENT else None


def facts(octets: bytes) -> Facts:
    """All that threads are made of."""
    flags, seconds, subject, _, _, _, _, end = _HEAD.unpack_from(octets)
    ids = _START + end
    first = ids + DIGEST if flags & _IDENTIFIED else ids
    return Facts(
        seconds if flags & _SENT else None,
        bool(flags & _REPLY),
        octets[_START : _START + subject],
        octets[ids:first],
        _digests((len(octets) - first) // DIGEST).unpack_from(octets, first),
    )


@functools.cache
def _digests(count: int) -> struct.Struct:
    return struct.Struct(f"{DIGEST}s" * count)


# Addresses


@remembered
def _subject(value: bytes) -> tuple[bytes, bool]:
    """The key of the base subject, and whether it is that of a reply or forward."""
    text, known = decoded(value)
    base, reply = base_subject(text)
    return collation_key(base, known), reply


def _first_address(values: list[bytes]) -> tuple[bytes, bytes]:
    """The keys of addr-mailbox and of the display value of the first address that ENVELOPE shows."""
    return next(filter(None, map(_first_in, values)), (b"", b""))


@remembered
def _first_in(value: bytes) -> tuple[bytes, bytes] | None:
    found = parse(value, 1)
    if not found:
        return None
    return collation_key(*decoded(found[0].mailbox or b"")), collation_key(*_display(found[0]))


def _display(address: Address) -> tuple[str, bool]:
    """The sort value of an address (RFC 5957 section 3)."""
    name = decoded(address.name or b"")
    if name[0] or address.mailbox is None:
        return name
    if address.host is None:
        return decoded(address.mailbox)
    return decoded(address.mailbox + b"@" + address.host)
