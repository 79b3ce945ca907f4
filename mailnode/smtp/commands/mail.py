"""MAIL (RFC 5321 section 4.1.1.2), SEND, SOML and SAML (RFC 821 section 3.4): begin a transaction."""

from mailnode.envelope import Envelope, Kind, Origin
from mailnode.smtp.extensions import with_mail_parameters
from mailnode.smtp.outcome import (
    AUTHENTICATE_FIRST,
    HELLO_FIRST,
    IN_TRANSACTION,
    NO_ROOM,
    SENDER_NOT_ASCII,
    TEMPORARY,
    Farewell,
    Refused,
    bad_address,
)
from mailnode.smtp.session import Session
from mailnode.smtp.transaction import Transaction
from mailnode.wire.address import Address, parse_path
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import parse_priority
from mailnode.wire.smtp import Reply, after_keyword, parse_parameters

ENOUGH = Reply(421, "4.7.0", "Too many messages in one session; connect again for more")
NOT_YOURS = Reply(550, "5.7.1", "You may not send from this address")
NO_DOMAIN = Reply(501, "5.1.7", "The address has no domain")
NOT_LATER = Reply(501, "5.5.4", "What is to be shown now cannot be held")
SENDER_OK = Reply(250, "2.1.0", "Sender ok")


async def run(session: Session, argument: bytes, kind: Kind = Kind.MAIL) -> Reply:
    """MAIL FROM:<reverse-path> [parameters]; the others differ in what becomes of the message."""
    _check_state(session)
    reverse_path, rest = _reverse_path(argument)
    origin = None
    if not (session.known or session.lmtp or session.hello is None):
        origin = Origin(session.connection.peer, session.hello.name)
    parameters = parse_parameters(rest)
    envelope = Envelope(reverse_path, kind=kind, origin=origin)
    envelope = with_mail_parameters(session, envelope, parameters)
    if reverse_path is not None and reverse_path.international and not envelope.utf8:
        raise Refused(SENDER_NOT_ASCII)
    if envelope.release and kind is not Kind.MAIL:
        raise Refused(NOT_LATER)
    if session.submission and reverse_path is not None:
        _check_sender(session, reverse_path)
    await _check_disk(session, envelope.size)
    transaction = Transaction(envelope)
    if session.submission and session.account is not None:
        transaction.reservation = await session.for_people.senders.reserve(session.account.address)
    session.transaction = transaction
    return _priority_changed(parameters.get("MT-PRIORITY"), envelope) or SENDER_OK


def _check_state(session: Session) -> None:
    if session.accepted >= session.limits.messages_per_session and not session.connection.trusted:
        raise Farewell(ENOUGH)
    if session.hello is None:
        raise Refused(HELLO_FIRST)
    if session.transaction is not None:
        raise Refused(IN_TRANSACTION)
    if session.submission and session.account is None:
        raise Refused(AUTHENTICATE_FIRST)


def _reverse_path(argument: bytes) -> tuple[Address | None, bytes]:
    path = after_keyword(argument, b"FROM:")
    try:
        reverse_path, rest = parse_path(path, utf8=True)
    except BadSyntax as wrong:
        raise bad_address(wrong, path, "5.1.7") from None
    if reverse_path is not None and not reverse_path.domain:
        raise Refused(NO_DOMAIN)
    return reverse_path, rest


def _check_sender(session: Session, reverse_path: Address) -> None:
    """The reverse-path must be one that the one who is logged in may send from (RFC 6409 section 6.1).

    An empty one is everybody's (section 3.2): mail programs send their receipts from it. What comes with it
    is looked at when the header is there.
    """
    if not session.may_send_as(reverse_path):
        raise Refused(NOT_YOURS)


async def _check_disk(session: Session, octets: int) -> None:
    """Refuse a message of so many octets where the disk is nearly full, or cannot even be asked."""
    try:
        free = await session.shared.free_space()
    except OSError as error:
        session.connection.log.warn("free space cannot be measured", reason=error.strerror)
        raise Refused(TEMPORARY) from error
    if free < session.limits.min_free_space + octets:
        raise Refused(NO_ROOM)


def _priority_changed(asked: bytes | None, envelope: Envelope) -> Reply | None:
    """The answer to a sender whose message has another priority than was asked for (RFC 6710 section 4.1)."""
    if asked is None or parse_priority(asked) == envelope.priority:
        return None
    return Reply(250, "2.3.6", f"{envelope.priority} is the priority: higher ones are for those who log in")
