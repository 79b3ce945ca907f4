"""What names mailboxes and messages for ever, and when a message was saved.

All of it lies in the uid list and in the names of files: the cache may go, and nothing changes.
"""

import os
import re
from hashlib import sha256

from mailnode.store.filenames import stamp
from mailnode.store.uidlist import Record

SAVED = "D"  # the field of the uid list's line: seconds since the epoch

_PLAIN = re.compile(r"[A-Za-z0-9]{1,64}")
_DIGITS = 40  # of a digest: 160 bits
_LONGEST = 12  # digits that count as a date


def mailbox_id(guid: str, validity: int) -> str:
    """The name of a mailbox: through renames, and another one where UIDs mean something else.

    Twice at a time it is given to none: a folder that was copied with its G gets another.
    """
    plain = guid if _PLAIN.fullmatch(guid) else digest(os.fsencode(guid))
    return f"F{plain}-{validity:08x}"


def email_id(record: Record) -> str:
    """The name of a message's octets, the same for all its copies in the account."""
    return "M" + digest(os.fsencode(guid_of(record)))


def guid_of(record: Record) -> str:
    """The G of the line, which copies carry that could not keep the base name; else the base name.

    A field cannot hold a blank: of a base with one, which no mail program makes, a digest takes the place.
    """
    stated = record.field("G")
    if stated:
        return stated
    return digest(os.fsencode(record.base)) if " " in record.base else record.base


def digest(octets: bytes) -> str:
    """Letters and digits that stand for the octets, and that two others do not share."""
    return sha256(octets).hexdigest()[:_DIGITS]


def saved_now(base: str, now: float) -> tuple[str, ...]:
    """The field that says when the message was saved, where its name does not."""
    return () if stamp(base) == int(now) else (f"{SAVED}{int(now)}",)


def saved(record: Record) -> int | None:
    """When the message was saved in its mailbox, in seconds since the epoch; None where nothing tells.

    What came without the server has the time of its name: that is when a Maildir delivery made it.
    """
    stated = record.field(SAVED)
    if stated and stated.isascii() and stated.isdigit() and len(stated) <= _LONGEST:
        return int(stated)
    return stamp(record.base)
