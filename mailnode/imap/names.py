"""Mailbox names between the wire and the store: levels, the separator and INBOX (RFC 3501 section 5.1)."""

from mailnode.imap.replies import Refused
from mailnode.store.names import normal
from mailnode.store.values import Name
from mailnode.wire.imap import mailbox_name


def levels(text: str, separator: str) -> Name:
    """The levels of a decoded name, INBOX in capitals. Raises Refused for a name with an empty level."""
    name = tuple(text.split(separator))
    if not all(name):
        raise Refused(b"CANNOT", "A mailbox name cannot have an empty level")
    return normal(name)


def shown(name: Name, separator: str) -> str | None:
    """The name as text; None for one that cannot be told from another with this separator."""
    return None if any(separator in level for level in name) else separator.join(name)


def encode(text: str, *, utf8: bool = False) -> bytes:
    """mailbox: the text in modified UTF-7, or in UTF-8 for a client that has enabled it."""
    return mailbox_name.encode(text, utf8=utf8)
