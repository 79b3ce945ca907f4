"""What there must be to say in every language, and which of it fits a status.

Names in braces are put in; each text has the same ones in all languages.
"""

from collections.abc import Mapping
from enum import Enum

from mailnode.queue.entry import Fate
from mailnode.values import frozen


class Kind(Enum):
    """Why somebody does not have a message, as far as a person has to know it."""

    NO_MAILBOX = "no such mailbox"
    NO_DOMAIN = "no such domain"
    TAKES_NO_MAIL = "a domain without mail"
    BAD_ADDRESS = "no address"
    CLOSED = "a mailbox out of use"
    FULL = "no room"
    TOO_LARGE = "too large"
    TOO_MANY = "too many recipients"
    UNFIT = "a form that cannot be taken"
    REFUSED = "not wanted"
    DOUBTED = "not believed to be the sender's"
    NOT_SAFE = "no encryption as it must be"
    LOOP = "in circles"
    TOO_OLD = "tried too long"
    TOO_LATE = "its time is over"
    UNREACHABLE = "nobody answers"
    DNS_SILENT = "nobody knows where"
    BUSY = "no time"
    TROUBLE = "a fault of a server"
    NOT_NOW = "anything temporary"
    NEVER = "anything final"


# By subject and detail of the status (RFC 3463 section 3, RFC 7505, RFC 8689).
_KINDS = {
    "1.1": Kind.NO_MAILBOX,
    "1.2": Kind.NO_DOMAIN,
    "1.3": Kind.BAD_ADDRESS,
    "1.6": Kind.NO_MAILBOX,
    "1.10": Kind.TAKES_NO_MAIL,
    "2.1": Kind.CLOSED,
    "2.2": Kind.FULL,
    "2.3": Kind.TOO_LARGE,
    "3.0": Kind.TROUBLE,
    "3.1": Kind.TROUBLE,
    "3.2": Kind.BUSY,
    "3.4": Kind.TOO_LARGE,
    "3.5": Kind.TROUBLE,
    "4.1": Kind.UNREACHABLE,
    "4.2": Kind.UNREACHABLE,
    "4.3": Kind.DNS_SILENT,
    "4.4": Kind.NO_DOMAIN,
    "4.5": Kind.BUSY,
    "4.6": Kind.LOOP,
    "4.7": Kind.TOO_OLD,
    "5.3": Kind.TOO_MANY,
    "7.0": Kind.REFUSED,
    "7.1": Kind.REFUSED,
    "7.4": Kind.NOT_SAFE,
    "7.5": Kind.NOT_SAFE,
    "7.10": Kind.NOT_SAFE,
    "7.30": Kind.NOT_SAFE,
    **dict.fromkeys((f"7.{detail}" for detail in range(20, 28)), Kind.DOUBTED),
    **dict.fromkeys((f"6.{detail}" for detail in range(11)), Kind.UNFIT),
}
# These are another thing when they are final, or when they are not.
_OTHERWISE = {"4.4.4": Kind.DNS_SILENT, "5.4.7": Kind.TOO_LATE, "4.7.0": Kind.NOT_NOW, "4.7.1": Kind.NOT_NOW}


def kind_of(status: str) -> Kind:
    """What an enhanced status code of a failure means to a person; one not known is told by its class."""
    final = Kind.NEVER if status.startswith("5") else Kind.NOT_NOW
    return _OTHERWISE.get(status) or _KINDS.get(status.partition(".")[2], final)


@frozen
class Case:
    """What has happened, and what the sender can do when it will not be tried again."""

    what: str
    advice: str


@frozen
class Words:
    """All of it in one language, whose tag it has.

    `first_day` is how the first of a month is written. The date of `opening` is when the message came, that
    of `goes_on` until when it is tried.
    """

    tag: str
    months: tuple[str, ...]
    first_day: str
    date: str
    subjects: Mapping[Fate, str]
    opening: str
    about: str
    headings: Mapping[Fate, str]
    said: str
    said_by: str
    details: str
    to_do: str
    goes_on: str
    given_up: str
    ask: str
    cases: Mapping[Kind, Case]
