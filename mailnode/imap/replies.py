"""What the server says: status responses, flags, and which store error becomes which reply.

A command ends in a Reply, or in one of three exceptions: BadSyntax (BAD: the client's mistake), Refused (NO)
or Goodbye (BYE, and the connection ends). Anything else that is raised is in TABLE below or a bug of ours.
"""

import errno
import functools

from mailnode.auth.checker import LoginBusy
from mailnode.auth.login import LoginFailed
from mailnode.imap.words.languages import DEFAULT, resp_text
from mailnode.store import errors
from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax


@frozen
class Reply:
    """The end of a command: OK, NO or BAD, a response code without brackets or "", and a text."""

    status: bytes
    text: str
    code: bytes = b""

    def encode(self, tag: bytes, language: str = DEFAULT) -> bytes:
        """The line, its text translated; `tag` is "*" for an untagged status response."""
        code = b"[%s] " % self.code if self.code else b""
        return b"%s %s %s%s\r\n" % (tag, self.status, code, resp_text(language, self.text))


def ok(text: str, code: bytes = b"") -> Reply:
    """OK: done."""
    return Reply(b"OK", text, code)


def no(text: str, code: bytes = b"") -> Reply:
    """NO: not done."""
    return Reply(b"NO", text, code)


def bad(text: str, code: bytes = b"") -> Reply:
    """BAD: not understood, or not now."""
    return Reply(b"BAD", text, code)


class Refused(Exception):
    """The command is right and cannot be done; the text is one line for the client."""

    def __init__(self, code: bytes, text: str) -> None:
        super().__init__(text)
        self.reply = no(text, code)


class BadWithCode(BadSyntax):
    """The command is BAD, and there is a response code for it."""

    def __init__(self, text: str, code: bytes) -> None:
        super().__init__(text)
        self.code = code


def no_target() -> Refused:
    """The mailbox that messages are to go to is not there (RFC 3501 sections 6.3.11 and 6.4.7)."""
    return Refused(b"TRYCREATE", "There is no such mailbox; create it first")


class Goodbye(Exception):
    """The connection ends now; the text is sent in an untagged BYE."""

    def __init__(self, text: str, code: bytes = b"") -> None:
        super().__init__(text)
        self.reply = Reply(b"BYE", text, code)


class Torn(Exception):
    """A literal could not be sent to its end: nothing after it would be understood, the connection is cut."""


# RFC 3501 section 7.1, RFC 5530, RFC 5464 section 5, RFC 6154 section 6, RFC 9208 section 4.3.1. The first
# row that fits counts; "" stands for the words of the error.
TABLE: tuple[tuple[type[Exception], Reply], ...] = (
    (errors.HasInferiors, no("It is no mailbox and only has inferiors", b"HASCHILDREN")),
    (errors.NoSuchMailbox, no("There is no such mailbox", b"NONEXISTENT")),
    (errors.NoRight, no("You have not been given the right to do that", b"NOPERM")),
    (errors.TooManyEntries, no("The access control list is too long", b"LIMIT")),
    (errors.MailboxExists, no("There is a mailbox of that name already", b"ALREADYEXISTS")),
    (errors.BadMailboxName, no("", b"CANNOT")),
    (errors.BadUse, no("", b"USEATTR")),
    (errors.TooManyAnnotations, no("There are too many annotations", b"METADATA TOOMANY")),
    (errors.NoSuchMessage, no("Some of the messages are gone", b"EXPUNGEISSUED")),
    (errors.InUse, no("The mailbox is in use", b"INUSE")),
    (errors.OverQuota, no("The mailbox is full", b"OVERQUOTA")),
    (
        errors.TooManyKeywords,
        no("The keywords are too many for the mailbox, or too long", b"LIMIT"),
    ),
    (LoginFailed, no("Authentication failed", b"AUTHENTICATIONFAILED")),  # whatever was wrong with it
    (LoginBusy, no("Too many logins or sessions; try again later", b"UNAVAILABLE")),
)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_DAMAGED = (errno.EUCLEAN, errno.EBADMSG)  # the file system has found its own data to be wrong
_DISK_FULL = no("There is no room for it", b"OVERQUOTA")
_DISK_TROUBLE = no("The mailbox cannot be read or written now; try again later", b"UNAVAILABLE")
_DISK_DAMAGE = no("The mailbox cannot be used; the administrator must look into it", b"CORRUPTION")
_DISK_REFUSAL = replace(_DISK_DAMAGE, code=b"CONTACTADMIN")
SERVER_BUG = no("Internal error; the administrator's log says more", b"SERVERBUG")


def for_error(error: Exception) -> Reply | None:
    """The reply to an error of the parts below; None when it is nothing that anybody expects."""
    for kind, reply in TABLE:
        if isinstance(error, kind):
            return reply if reply.text else replace(reply, text=str(error))
    if not isinstance(error, OSError):
        return None
    if error.errno in _NO_SPACE:
        return _DISK_FULL
    if error.errno in _DAMAGED:
        return _DISK_DAMAGE
    return _DISK_REFUSAL if errors.is_lasting(error) else _DISK_TROUBLE


@functools.lru_cache(maxsize=1024)
def flag_list(flags: frozenset[str]) -> bytes:
    """flag-list, in an order that does not change: system flags first."""
    ordered = sorted(flags, key=lambda flag: (not flag.startswith("\\"), flag))
    return b"(" + " ".join(ordered).encode("ascii", "replace") + b")"
