"""The envelope of a message on its way (RFC 5321 section 2.3.1): what is said of it besides its content."""

from enum import Enum

from mailnode.values import frozen, replace
from mailnode.wire.address import Address
from mailnode.wire.esmtp import Notify, OriginalRecipient


class Body(Enum):
    """What octets the content may hold (RFC 6152 section 2, RFC 3030 section 3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Kind(Enum):
    """By which command it came, and so where it goes (RFC 821 section 3.4).

    MAIL into mailboxes; SEND to who is there now; SOML to who is there, else into the mailbox; SAML to both.
    """

    MAIL = "MAIL"
    SEND = "SEND"
    SOML = "SOML"
    SAML = "SAML"


@frozen
class Recipient:
    """A forward-path, and what its sender wants to know of it; `notify` is None where nothing was said."""

    address: Address
    notify: Notify | None = None
    original: OriginalRecipient | None = None

    def joined(self, other: "Recipient") -> "Recipient":
        """One copy for two that lead to the same address: its sender hears what is wanted of either.

        Each of them is a recipient of its own for the sender (RFC 3461 section 4.1), so that NEVER for one
        does not hide what becomes of the other. Nothing said is failures, and delays.
        """
        if other.notify in (self.notify, Notify.NEVER):
            return self
        if self.notify is Notify.NEVER:
            return other
        unasked = Notify.FAILURE | Notify.DELAY
        both = (unasked if one.notify is None else one.notify for one in (self, other))
        return replace(self, notify=next(both) | next(both))


@frozen
class Deadline:
    """By when it is to be delivered (RFC 2852), in seconds since the epoch; late mail comes back, or not."""

    time: float
    return_: bool
    trace: bool


@frozen
class Origin:
    """Where a stranger's message came from: the IP address, and what the client called itself."""

    address: str
    hello: str


@frozen
class Envelope:
    """One message's.

    `size` is what the client said of it in octets, 0 where it said nothing (RFC 1870). `full` tells how much
    comes back in a report of failure (RET), None where nothing was said. `release` is the time in seconds
    since the epoch before which it must not go on (RFC 4865), 0.0 for at once. `origin` is None for mail of
    our own people and of trusted networks. `tls_optional` is of a report on TLS itself, which goes whatever
    is wrong with that (RFC 8460 section 3).
    """

    reverse_path: Address | None
    size: int = 0
    recipients: tuple[Recipient, ...] = ()
    body: Body = Body.SEVEN_BIT
    utf8: bool = False
    full: bool | None = None
    envelope_id: str = ""
    deadline: Deadline | None = None
    release: float = 0.0
    priority: int = 0
    require_tls: bool = False
    solicitation: tuple[str, ...] = ()
    origin: Origin | None = None
    kind: Kind = Kind.MAIL
    tls_optional: bool = False
