"""The header fields that clients ask for to show lists of messages, ready to be chosen from.

Of most headers that is a small part: the way of a message, signatures and what filters have found make them
long. What is kept of one is in ASCII, so that other octets can say where a field begins and what it is:

    0xFF tag field ... 0xFF 0x80 empty-line

A tag is 0x81 and above, the place of the field's name in FIELDS. So one pattern finds the fields that are
wanted in many headers, with NUL between two, from mark to mark and without a look at what is between them.
"""

import functools
import re
from collections.abc import Iterable
from typing import Final

from mailnode.message.header import NEXT_FIELD, extent

# Who changes this changes what is kept. A name that few messages have costs nothing.
FIELDS: Final = tuple(
    b"""
    from sender reply-to to cc bcc subject date message-id in-reply-to references newsgroups
    content-type content-description lines priority x-priority importance x-label resent-message-id
    list-id list-post list-unsubscribe mail-followup-to mail-reply-to return-path delivered-to
    disposition-notification-to return-receipt-to x-confirm-reading-to x-draft-info x-k9mail-identity
    x-uniform-type-identifier x-universally-unique-identifier
    """.split()
)

_MARK: Final = b"\xff"
_END: Final = b"\x80"
_TAGS: Final = {name: bytes((0x81 + place,)) for place, name in enumerate(FIELDS)}


def listed(header: bytes) -> bytes:
    """What is kept of a header; nothing where that cannot be: of one that is not ASCII, or has NUL in it."""
    blank, end = extent(header, 0, len(header))
    if not header.isascii() or b"\0" in header or not header.endswith(b"\n", 0, blank):
        return b""
    pieces: list[bytes] = []
    for field in NEXT_FIELD.finditer(b"\n" + header, 0, blank):
        tag = _TAGS.get(field[1].lower())
        if tag:
            pieces += _MARK, tag, field[0][1:], b"\n"
    return b"".join([*pieces, _MARK, _END, header[blank:end]])


def are_listed(names: Iterable[bytes]) -> bool:
    """Whether fields of these names are all kept."""
    return _TAGS.keys() >= {name.lower() for name in names}


def chosen(kept: bytes, names: Iterable[bytes]) -> list[bytes]:
    """What section.header_fields() finds for these names, which are kept, in each of some headers."""
    return b"".join(_marked(frozenset(map(bytes.lower, names))).findall(kept)).split(b"\0")


@functools.lru_cache(maxsize=256)
def _marked(names: frozenset[bytes]) -> re.Pattern[bytes]:
    tags = b"".join([_END, *(tag for name, tag in _TAGS.items() if name in names)])
    return re.compile(rb"\xff[%b]([^\xff]*+)" % tags)
