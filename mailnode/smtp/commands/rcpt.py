"""RCPT (RFC 5321 section 4.1.1.3): names a recipient, who is taken or refused here and now."""

from collections.abc import Sequence

from mailnode.auth.allowance import UsedUp
from mailnode.delivery.forwarding import forwarded
from mailnode.delivery.moderation import Answer
from mailnode.delivery.route import NOBODY, Route
from mailnode.envelope import Envelope, Kind, Recipient
from mailnode.events.life import AllowanceUsedUp
from mailnode.net.listen import plain_address
from mailnode.smtp.extensions import with_rcpt_parameters
from mailnode.smtp.outcome import (
    CONTENT_BEGUN,
    NO_SUCH_MAILBOX,
    NO_TRANSACTION,
    NOBODY_THERE,
    RECIPIENT_NOT_ASCII,
    Refused,
    bad_address,
    for_error,
)
from mailnode.smtp.posting import check_posting, needs_approval
from mailnode.smtp.session import Session
from mailnode.smtp.transaction import Transaction
from mailnode.store.errors import OverQuota
from mailnode.values import replace
from mailnode.wire.address import Address, parse_path
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, after_keyword

TOO_MANY = Reply(452, "4.5.3", "Too many recipients")
EMPTY = Reply(501, "5.1.3", "A recipient needs an address")
RELAYING_DENIED = Reply(550, "5.7.1", "Relaying denied")
NOT_SHOWN = Reply(550, "5.7.1", "Only MAIL goes to other hosts, and this address leads to one")
NOT_APPROVED = Reply(550, "5.7.2", "Only MAIL goes to a moderated list")
ONE_ONLY = Reply(550, "5.7.1", "A message without reverse-path is a report, and goes to one recipient")
ONE_ANSWER = Reply(550, "5.7.1", "One message answers about one message")
REPORTS_ONLY = Reply(550, "5.7.1", "Only a report goes to an address that stands for another")
NOBODYS_ANSWER = Reply(550, "5.7.1", "An answer about a list needs a reverse-path")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")


async def run(session: Session, argument: bytes) -> Reply:
    """RCPT TO:<forward-path>"""
    transaction = session.transaction
    if transaction is None:
        raise Refused(NO_TRANSACTION)
    if transaction.receiving is not None:
        raise Refused(CONTENT_BEGUN)
    recipient = _recipient(session, argument)
    if recipient.address.international and not transaction.envelope.utf8:
        raise Refused(RECIPIENT_NOT_ASCII)
    if len(transaction.recipients) >= session.limits.recipients:
        raise Refused(TOO_MANY)
    _check_report(session, transaction)
    if answer := session.shared.moderators.answer(recipient.address):
        return _take_answer(transaction, recipient, answer)
    route = _route(session, transaction.envelope, recipient.address)
    _check_route(session, transaction, by_name(session, recipient.address), route)
    needing = await _who_needs_room(session, transaction.envelope.kind, route)
    if needing and not route.always:
        await _check_room(session, transaction, needing)
    _reserve(session, transaction, recipient.address, ours=route.ours)
    copies = forwarded(session.shared.live, transaction.envelope, recipient, route)
    transaction.accept(recipient, route, copies, apart=session.lmtp)
    return RECIPIENT_OK


def _take_answer(transaction: Transaction, recipient: Recipient, answer: Answer) -> Reply:
    """A moderator's answer: it goes into no mailbox, and takes effect when the message has come."""
    if transaction.envelope.kind is not Kind.MAIL:
        raise Refused(NOT_SHOWN)
    if transaction.envelope.reverse_path is None:
        raise Refused(NOBODYS_ANSWER)
    if transaction.answer not in (None, answer):
        raise Refused(ONE_ANSWER)
    transaction.accept(recipient, NOBODY, ())
    transaction.answer = answer
    return RECIPIENT_OK


def _route(session: Session, envelope: Envelope, address: Address) -> Route:
    """Where it leads; what is shown to people is shown to those on a list, which no moderator sees before."""
    router, address = session.router, by_name(session, address)
    route = router.resolve(address)
    for name in route.lists:
        check_posting(session, envelope.reverse_path, name)
    if envelope.kind is Kind.MAIL:
        return route
    if any(needs_approval(session, name) for name in route.lists):
        raise Refused(NOT_APPROVED)
    return router.everybody(address)


def _check_route(session: Session, transaction: Transaction, address: Address, route: Route) -> None:
    """Refuse what is nobody's, and what is not to go where it leads (vectors R1 to R20).

    To an address of another host goes only what our own people send, after a login, unless its mail is kept
    here until it is called for; to where an alias or list of ours leads goes what anybody sends. To a
    reverse-path that this host has rewritten go reports: strangers know it, and would send what they like.
    """
    if not route.copies:
        raise Refused(NO_SUCH_MAILBOX)
    if not route.elsewhere:
        return
    own = session.submission and session.account is not None
    kept = any(one.domain_key in session.config.on_demand for one in route.elsewhere)
    if not route.ours and not own and not kept:
        raise Refused(RELAYING_DENIED)
    if transaction.envelope.reverse_path is not None and session.router.sender(address) is not address:
        raise Refused(REPORTS_ONLY)
    if transaction.envelope.kind is not Kind.MAIL:
        raise Refused(NOT_SHOWN)


def _check_report(session: Session, transaction: Transaction) -> None:
    """On submission, what has no reverse-path goes to one recipient: it answers one message (vector B4).

    From other servers it may go to as many as anything else: RFC 5321 section 4.5.3.1.8 promises a hundred,
    LIMITS announces them, and a report to a list that another server has expanded comes with several.
    """
    if session.submission and transaction.envelope.reverse_path is None and transaction.recipients:
        raise Refused(ONE_ONLY)


def _reserve(session: Session, transaction: Transaction, address: Address, *, ours: bool) -> None:
    """Take the recipient from what the account may send; `ours` if in one of our domains."""
    if transaction.reservation is None or session.account is None:
        return
    try:
        transaction.reservation.add(address.key, ours=ours)
    except UsedUp as limit:
        words = f"You may send to {limit.allowed} {limit.allowance.words}; try again later"
        if limit.first:
            who = session.account.address
            event = AllowanceUsedUp(session.connection.id, who, limit.allowance.key, limit.allowed)
            session.shared.bus.publish(event)
        raise Refused(Reply(450, "4.7.1", words)) from None


async def _who_needs_room(session: Session, kind: Kind, route: Route) -> tuple[str, ...]:
    """Whose mailboxes are written to, as far as can be known: not those of whoever is shown the message only.

    SEND to nobody who is there is refused (RFC 821 section 3.4).
    """
    if kind not in (Kind.SEND, Kind.SOML) or not route.accounts:
        return route.accounts
    courier = session.shared.live_courier
    absent = tuple([account for account in route.accounts if not await courier.is_there(account)])
    if kind is Kind.SOML:
        return absent
    if len(absent) == len(route.accounts):
        raise Refused(NOBODY_THERE)
    return ()


async def _check_room(session: Session, transaction: Transaction, accounts: Sequence[str]) -> None:
    """Refuse if one of these mailboxes is full, or will be with the size that MAIL has declared.

    Of a message that is held nobody knows yet how much room there will be.
    """
    if transaction.envelope.release > session.shared.runtime.now():
        return
    beside = [account for account in transaction.accounts if account not in transaction.always]
    try:
        await session.shared.courier.check_room(accounts, beside, transaction.envelope.size)
    except OverQuota as error:
        raise Refused(for_error(error, session.config)) from None
    except OSError as error:
        session.connection.log.warn("mailbox cannot be measured", reason=error.strerror)
        raise Refused(for_error(error, session.config)) from error


def _recipient(session: Session, argument: bytes) -> Recipient:
    path = after_keyword(argument, b"TO:")
    try:
        forward_path, rest = parse_path(path, utf8=True)
    except BadSyntax as wrong:
        raise bad_address(wrong, path, "5.1.3") from None
    if forward_path is None:
        raise Refused(EMPTY)
    return with_rcpt_parameters(session, Recipient(forward_path), rest)


def by_name(session: Session, recipient: Address) -> Address:
    """The same address in our first domain, where its literal names the very address the client reached."""
    if not recipient.domain.startswith("["):
        return recipient
    host = recipient.domain.strip("[]")
    tagged = host[:5].lower() == "ipv6:"
    here = plain_address(session.connection.local)
    if here is None or plain_address(host[5 * tagged :]) != here:
        return recipient
    return replace(recipient, domain=session.config.domains[0])
