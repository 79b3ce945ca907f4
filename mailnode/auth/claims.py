"""What a mechanism ends in: a password that is still to be checked, a proof, or a failure."""

from dataclasses import field

from twisted.cred.credentials import ICredentials
from zope.interface import Attribute, implementer

from mailnode.config import MailboxEntry
from mailnode.values import frozen


@frozen
class Password:
    """What the client claims; neither part has been checked against anything."""

    username: bytes
    password: bytes = field(repr=False)


NOBODY = Password(b"", b"")  # for a refused authzid: as slow, as counted and as wrong as any other


class IProven(ICredentials):
    """Somebody has proved to be the owner of a mailbox, without telling a password."""

    address: str = Attribute("The address of the mailbox, in lower case.")
    entry: MailboxEntry = Attribute("What the configuration said of it when that was proved.")


@implementer(IProven)
@frozen
class Proven:
    """A proof that was right; `username` is what the client called itself."""

    username: bytes
    address: str
    entry: MailboxEntry = field(repr=False)


Claim = Password | Proven


class Wrong(Exception):
    """The client has not proved to be who it says; nothing tells it why, `reason` tells the log.

    `attempt` is equal for what is the same try again, such as a token that has expired. `told` is what the
    mechanism still has to say before the end, None for nothing.
    """

    def __init__(
        self,
        username: bytes,
        attempt: bytes,
        *,
        told: bytes | None = None,
        reason: str = "wrong name or password",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.username = username
        self.attempt = attempt
        self.told = told
