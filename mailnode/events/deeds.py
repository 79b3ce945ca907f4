"""What people do with the messages in their mailboxes, as values.

A message is named by its UID, which means something in one mailbox only, and by its lasting name, which its
copies in an account share: the base name of the file that the delivery made (`store.identity.guid_of`). Who
did it is told by the login on the same connection.
"""

from mailnode.events.life import Event
from mailnode.values import frozen

NAMED = 500  # messages with their names in one event


@frozen
class Deed(Event):
    """Something happened to messages: `uids` is a sequence set, `names` are theirs in its order.

    There are no names where a great many messages were changed at once.
    """

    address: str
    mailbox: str
    uids: str
    names: tuple[str, ...]


@frozen
class Flagged(Deed):
    """Flags were added ("add"), taken away ("remove"), or these alone are left ("replace")."""

    change: str
    flags: tuple[str, ...]


@frozen
class Copied(Deed):
    """Messages were copied; `to_uids` are those of the copies, in the same order."""

    to_address: str
    to_mailbox: str
    to_uids: str


@frozen
class Moved(Copied):
    """Messages were moved."""


@frozen
class Retrieved(Deed):
    """Messages were sent whole to a client that does not say what it reads (POP3)."""


@frozen
class MailboxDeleted(Event):
    """A mailbox was deleted, with all messages in it; its inferiors stay."""

    address: str
    mailbox: str


@frozen
class MailboxRenamed(Event):
    """A mailbox and its inferiors have another name; INBOX stays, and gives its messages."""

    address: str
    mailbox: str
    to_mailbox: str


@frozen
class Identified(Event):
    """The program at the other end said what it is (RFC 2971); its own words."""

    client: str


# What is no news to an administrator who follows the log.
EVERYDAY = (Flagged, Copied, Retrieved, Identified)
