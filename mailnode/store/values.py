"""The words of the store: numbers, names and flags."""

from typing import NewType

Uid = NewType("Uid", int)
UidValidity = NewType("UidValidity", int)
ModSeq = NewType("ModSeq", int)

Name = tuple[str, ...]  # a mailbox name as its levels: ("INBOX",), ("Work", "2026")
INBOX: Name = ("INBOX",)

# The system flags of RFC 3501 section 2.3.2 as plain strings, beside keywords such as "$Forwarded".
SEEN = "\\Seen"
ANSWERED = "\\Answered"
FLAGGED = "\\Flagged"
DELETED = "\\Deleted"
DRAFT = "\\Draft"
SYSTEM_FLAGS = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)

Flags = frozenset[str]
NO_FLAGS: Flags = frozenset()
