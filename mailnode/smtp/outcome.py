"""How a command can end other than well, and the replies that more than one command gives."""

import errno
from collections.abc import Iterable

from mailnode.config import Config
from mailnode.config_rules import split_address
from mailnode.delivery.route import Named
from mailnode.store.errors import OverQuota, StoreError
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import u_labels
from mailnode.wire.smtp import Reply

OK = Reply(250, "2.0.0", "Ok")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
AUTHENTICATE_FIRST = Reply(530, "5.7.0", "Authentication is required")
IN_TRANSACTION = Reply(503, "5.5.1", "A mail transaction is open; send RSET to drop it")
CONTENT_BEGUN = Reply(503, "5.5.1", "The content has begun to come; only BDAT and RSET go on from here")
NO_TRANSACTION = Reply(503, "5.5.1", "Send MAIL first")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
UNKNOWN_VERB = Reply(500, "5.5.2", "Command not recognized")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Unknown parameter")
NO_SUCH_MAILBOX = Reply(550, "5.1.1", "No such mailbox here")
SENDER_NOT_ASCII = Reply(550, "5.6.7", "This address needs SMTPUTF8 in MAIL")  # RFC 6531 section 3.5
RECIPIENT_NOT_ASCII = Reply(553, "5.6.7", "This address needs SMTPUTF8 in MAIL")
CANNOT_SHOW = Reply(252, "2.6.8", "The mailbox can be shown in UTF-8 only; ask with SMTPUTF8")
NOBODY_THERE = Reply(450, "4.2.1", "Nobody is there to read it now")
NO_ROOM = Reply(452, "4.3.1", "Not enough room; try again later")
FULL = Reply(452, "4.2.2", "The mailbox is full")
FULL_FOR_GOOD = Reply(552, "5.2.2", "The mailbox is full")
ONE_IS_FULL = Reply(452, "4.2.2", "The mailbox of a recipient is full; nobody got the message")
TEMPORARY = Reply(451, "4.3.0", "Temporary failure; try again later")
TOO_MUCH_JUNK = Reply(421, "4.7.0", "Too many commands without mail; closing connection")
NOT_FOR_STRANGERS = Reply(554, "5.7.1", "LMTP is for trusted networks only")
OUT_OF_STEP = Reply(554, "5.5.0", "SMTP protocol synchronization: wait for the reply")


def bad_address(wrong: BadSyntax, path: bytes, status: str) -> "Refused":
    """The refusal of a path that is none; one in UTF-8 is a name that is not allowed (vector R33)."""
    foreign = not path.decode("utf-8", "ignore").isascii()
    return Refused(Reply(553 if foreign else 501, status, str(wrong)))


def told(people: Iterable[Named], *, utf8: bool) -> Reply:
    """The reply of VRFY and EXPN that names these people: "User Name <Mailbox>" (RFC 5321 section 3.5.2).

    A client that has not asked for UTF-8 hears no full name in it, and of a mailbox only that it cannot be
    shown (RFC 6531 section 3.7.4.2).
    """
    people = [(name if utf8 or name.isascii() else "", mailbox) for name, mailbox in people]
    if not utf8 and not all(mailbox.isascii() for _, mailbox in people):
        return CANNOT_SHOW
    shown = (f"{name} <{_shown(mailbox) if utf8 else mailbox}>".lstrip() for name, mailbox in people)
    return Reply(250, "2.1.5", "\n".join(shown), utf8)


def _shown(mailbox: str) -> str:
    local, domain = split_address(mailbox)
    return f"{local}@{u_labels(domain)}"


class Refused(Exception):
    """The command is answered with this 4yz or 5yz reply, and had no effect.

    It counts among the client's errors, unless it follows from one that was counted.
    """

    def __init__(self, reply: Reply, *, counts: bool = True) -> None:
        super().__init__(reply)
        self.reply = reply
        self.counts = counts


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def for_error(error: OSError | StoreError, config: Config, *, recipients: int = 1) -> Reply:
    """The reply to an error of the parts below, for a message to so many recipients.

    With several of them one reply is for all: it is put off, whatever is configured for a full mailbox.
    """
    if isinstance(error, OverQuota):
        if recipients > 1:
            return ONE_IS_FULL
        return FULL_FOR_GOOD if config.quota.over == "refuse" else FULL
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return NO_ROOM
    return TEMPORARY


class Farewell(Exception):
    """This reply is the last; the connection is closed after it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply
