"""The service extensions: what EHLO announces, and the parameters they give to MAIL.

One row for each. What is announced is what works now, for this peer, on this listener.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mailnode.auth.sasl import MECHANISMS
from mailnode.smtp.outcome import Refused
from mailnode.smtp.session import Session
from mailnode.smtp.transaction import Transaction
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, decode_xtext, parse_size

MailParameter = Callable[[Session, Transaction, bytes | None], None]


def size(session: Session, transaction: Transaction, value: bytes | None) -> None:
    """SIZE=octets (RFC 1870 section 6.1): refused here, when it is known to be too large."""
    transaction.size = parse_size(value)
    if transaction.size > session.limits.message_size:
        raise Refused(too_large(session))


def too_large(session: Session) -> Reply:
    """The refusal of a message over the limit."""
    return Reply(552, "5.3.4", f"The message is larger than {session.limits.message_size} octets")


def body(_session: Session, _transaction: Transaction, value: bytes | None) -> None:
    """BODY=7BIT or BODY=8BITMIME (RFC 6152); both are kept as they come."""
    if value is None or value.upper() not in (b"7BIT", b"8BITMIME"):
        raise Refused(Reply(555, "5.5.4", "BODY is 7BIT or 8BITMIME"))


def auth(_session: Session, _transaction: Transaction, value: bytes | None) -> None:
    """AUTH=mailbox (RFC 4954 section 5): must be xtext, and is believed of nobody."""
    if value is None:
        raise BadSyntax("AUTH needs a value")
    decode_xtext(value)


def always(_session: Session) -> str:
    """For extensions that work everywhere and need no words in EHLO."""
    return ""


@dataclass(frozen=True, slots=True)
class Extension:
    """`announced` gives the words after the keyword, or None where the extension does not work now."""

    keyword: str
    rfc: int
    announced: Callable[[Session], str | None] = always
    mail: Mapping[str, MailParameter] = field(default_factory=dict)


EXTENSIONS = (
    Extension("SIZE", 1870, lambda session: str(session.limits.message_size), {"SIZE": size}),
    Extension("8BITMIME", 6152, mail={"BODY": body}),
    Extension("PIPELINING", 2920),
    Extension("ENHANCEDSTATUSCODES", 2034),
    Extension("STARTTLS", 3207, lambda session: "" if session.offers_starttls else None),
    Extension(
        "AUTH",
        4954,
        lambda session: " ".join(MECHANISMS) if session.offers_auth else None,
        {"AUTH": auth},
    ),
    Extension("HELP", 5321),
)

MAIL_PARAMETERS = {keyword: check for row in EXTENSIONS for keyword, check in row.mail.items()}


def announcement(session: Session) -> list[str]:
    """The lines of the EHLO reply after the first."""
    rows = [(row.keyword, row.announced(session)) for row in EXTENSIONS]
    return [f"{keyword} {words}".rstrip() for keyword, words in rows if words is not None]
