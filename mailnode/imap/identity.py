"""What names a message for ever (RFC 8474), and when it was saved in its mailbox (RFC 8514).

EMAILID is the same for all copies of a message in an account, and is made from what the uid list says of it.

THREADID is made from the message's own header, as message.conversation says: so it is the same in every
mailbox, and for all messages of one EMAILID, and never changes. What section 5.2 only wishes for, that a
thread never falls apart, is not had where a program leaves References out: such an answer is in the thread
of the message it names, which may itself be an answer. A message without any message-id is a thread of its
own.
"""

import re

from mailnode.imap.selected import Selected
from mailnode.message import conversation
from mailnode.store import identity
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")


def object_id(args: Cursor) -> str:
    """objectid = 1*255(ALPHA / DIGIT / "_" / "-")"""
    text = args.atom()
    if not _OBJECT_ID.fullmatch(text):
        raise BadSyntax("That is no object identifier")
    return text.decode("ascii")


def email_id(view: Selected, uid: int) -> str:
    """EMAILID. Raises NoSuchMessage."""
    return identity.email_id(view.mailbox.record(uid))


def thread_id(view: Selected, uid: int) -> str:
    """THREADID. Raises NoSuchMessage, and OSError where the message cannot be read."""
    begun = conversation.root(view.mailbox.prepared(uid, "header"))
    if begun is None:
        begun = b" " + email_id(view, uid).encode("ascii")  # no message-id has a blank
    return "T" + identity.digest(begun)


def saved(view: Selected, uid: int) -> float:
    """SAVEDATE in seconds since the epoch; INTERNALDATE where nothing else is known. Never changes.

    Raises NoSuchMessage, OSError.
    """
    seconds = identity.saved(view.mailbox.record(uid))
    return view.mailbox.internal_date(uid) if seconds is None else seconds
