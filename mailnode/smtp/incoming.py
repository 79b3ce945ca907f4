"""One message between DATA's octets and the courier: limits, trace fields, and what submission mends."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, cast

from twisted.python.failure import Failure

from mailnode.delivery.live import NobodyThere
from mailnode.delivery.local import LocalDelivery
from mailnode.envelope import Envelope, Kind
from mailnode.events.life import Held
from mailnode.message import trace
from mailnode.message.header import values_of
from mailnode.queue.entry import Entry, new_entry
from mailnode.smtp.author import check_authors, missing_sender
from mailnode.smtp.commands.rcpt import by_name
from mailnode.smtp.extensions import check_solicitation, size_limit, too_large
from mailnode.smtp.header_block import HeaderBlock, edit
from mailnode.smtp.outcome import NOBODY_THERE, TEMPORARY, Refused, for_error
from mailnode.smtp.session import Hello, Session
from mailnode.smtp.transaction import Transaction
from mailnode.store.errors import StoreError
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import parse_solicitation
from mailnode.wire.smtp import Reply

# Who a message comes from whose client is not to be named: a name that nobody has (RFC 6761 section 6.4).
HIDDEN = "client.invalid"
TOO_LATE = Reply(554, "5.4.7", "The time in which it was to be delivered is over")

# RFC 5321 section 4.4: at final delivery the reverse-path of this transaction is the only Return-Path.
_FROM_ANYBODY = frozenset([b"return-path"])
_MESSAGE_ID = b"message-id"
# RFC 5322 section 3.6.4, with comments behind it.
_MSG_ID = re.compile(rb"<[^\x00-\x20<>@\x7f]+@[^\x00-\x20<>@\x7f]+>(?:[ \t]*\([^()\\]*\))*")
_FROM_OUR_OWN = _FROM_ANYBODY | {b"bcc", b"resent-bcc"}  # RFC 5322 sections 3.6.3 and 3.6.6


class Delivery(Protocol):
    """A message on its way, to mailboxes or into the queue: write as often as needed, then commit or abort.

    Each raises OSError or StoreError; then the message is nowhere.
    """

    async def write(self, data: bytes) -> None:
        """Add octets in wire form."""

    async def commit(self) -> None:
        """Make it durable."""

    async def abort(self) -> None:
        """Forget it; does nothing after commit."""


class Incoming:
    """The content of one message as it comes in. Memory: its header, and one piece of its body."""

    def __init__(self, session: Session, transaction: Transaction) -> None:
        self.id = session.shared.runtime.new_id()
        self.octets = 0
        self._session = session
        self._transaction = transaction
        self._header = HeaderBlock(session.limits.header_size)
        self._kind = transaction.envelope.kind
        self._delivery: Delivery | None = None
        self._header_text = b""  # as it is delivered
        self._entry: Entry | None = None  # of a message that is to wait

    async def take(self, piece: bytes) -> None:
        """Add content, in wire form without dot-stuffing. Raises Refused."""
        self.octets += len(piece)
        if self.octets > size_limit(self._session, self._kind):
            raise Refused(too_large(self._session, self._kind))
        if self._delivery is not None:
            await self._writing(self._delivery, piece)
            return
        body = self._header.feed(piece)
        if self._header.complete:
            self._delivery = self._begin()
            await self._writing(self._delivery, body)

    async def finish(self) -> None:
        """Deliver it, show it, or let it wait: after this all is done for every recipient. Raises Refused."""
        self._check_deadline()
        delivery = self._delivery = self._delivery or self._begin()
        try:
            await delivery.commit()
        except NobodyThere:
            raise Refused(NOBODY_THERE) from None
        except (OSError, StoreError) as error:
            raise self._disk_refused(error) from error
        if self._entry is None:
            await self._report()
        else:
            held = Held(self._session.connection.id, self.id, int(self._entry.due))
            self._session.shared.bus.publish(held)

    @property
    def answer(self) -> Reply:
        """The good news for the client, once it is finished."""
        text = f"Ok: {self.id}"
        if self._entry is not None:
            text += f" held until {trace.date_time(self._entry.due)}"
        return Reply(250, "2.0.0", text)

    async def _report(self) -> None:
        """Tell the sender that it has arrived, where that was asked for (RFC 3461 section 4.1)."""
        transaction = self._transaction
        if not self._session.reports_success or self._kind not in (Kind.MAIL, Kind.SAML):
            return  # nobody asked, or nobody knows who has only seen it
        try:
            await self._session.shared.reporter.of_arrival(
                self.id, transaction.envelope, transaction.leads_to, self._header_text
            )
        except OSError as error:
            self._session.connection.log.warn("no report", message=self.id, reason=error.strerror)
        except Exception:
            # The message is delivered: not even a bug of ours is a reason to have it sent again.
            self._session.connection.log.bug("no report", Failure())

    def _check_deadline(self) -> None:
        """A message that is to be returned when it is late is returned now (RFC 2852 section 4)."""
        deadline = self._transaction.envelope.deadline
        if deadline is not None and deadline.return_ and self._session.shared.runtime.now() > deadline.time:
            raise Refused(TOO_LATE)

    async def finish_each(self) -> list[Reply | None]:
        """Deliver it to each recipient for itself; None for those who have it now. Raises Refused."""
        self._check_deadline()
        delivery = self._delivery = self._delivery or self._begin()
        try:
            # LMTP knows neither SEND and its kin nor HOLDFOR and HOLDUNTIL: all goes to mailboxes.
            errors = await cast(LocalDelivery, delivery).commit_each(self._transaction.leads_to)
        except (OSError, StoreError) as error:
            raise self._disk_refused(error) from error
        return [self._disk_refused(error, recipients=1).reply if error else None for error in errors]

    async def abort(self) -> None:
        """Forget it; does nothing after finish()."""
        if self._delivery is not None:
            await self._delivery.abort()

    async def _writing(self, delivery: Delivery, piece: bytes) -> None:
        try:
            await delivery.write(piece)
        except (OSError, StoreError) as error:
            raise self._disk_refused(error) from error

    def _disk_refused(self, error: OSError | StoreError, *, recipients: int = 0) -> Refused:
        """The refusal for the client, of so many recipients or all; the log gets the reason."""
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        self._session.connection.log.warn("message not stored", message=self.id, reason=reason)
        recipients = recipients or len(self._transaction.recipients)
        return Refused(for_error(error, self._session.config, recipients=recipients))

    def _begin(self) -> Delivery:
        """Decide which way the message goes, by what is known now: its envelope and its header."""
        session, envelope = self._session, self._transaction.envelope
        self._check_mailboxes()
        self._check_solicitation()
        if session.submission:
            check_authors(session, self._transaction.envelope.reverse_path, self._header.text)
        remove = _FROM_OUR_OWN | self._invalid() if session.submission else _FROM_ANYBODY
        header, names = edit(self._header.text, limits=session.limits, remove=remove)
        head = self._received() + (self._missing(names) if session.submission else b"") + header
        self._header_text = head
        if envelope.release > session.shared.runtime.now():
            self._entry = self._held(envelope)
            return session.shared.queue.begin(self._entry, head)
        accounts = list(self._transaction.accounts)
        head = trace.final(envelope.reverse_path, accounts, utf8=envelope.utf8) + head
        begin: Callable[..., Delivery] = session.shared.courier.begin
        if self._kind is not Kind.MAIL:
            begin = partial(session.shared.live_courier.begin, envelope)
        return begin(
            accounts,
            head,
            message=self.id,
            connection=session.connection.id,
            always=self._transaction.always,
        )

    def _check_mailboxes(self) -> None:
        """Put off what is for a mailbox that went since RCPT: when it comes again, its sender is told."""
        if not self._transaction.accounts.keys() <= self._session.shared.live.mailboxes.mailboxes.keys():
            raise Refused(TEMPORARY)

    def _held(self, envelope: Envelope) -> Entry:
        """The entry of a message that waits; an address that only this connection understands gets a name."""
        recipients = tuple(
            replace(one, address=by_name(self._session, one.address)) for one in envelope.recipients
        )
        now = self._session.shared.runtime.now()
        return new_entry(self.id, replace(envelope, recipients=recipients), came=now, due=envelope.release)

    def _check_solicitation(self) -> None:
        """Refuse what Solicitation says it is (RFC 3865 section 2.5); what cannot be read says nothing."""
        if not self._session.config.no_soliciting:
            return
        for value in values_of(self._header.text, b"solicitation"):
            with contextlib.suppress(BadSyntax):
                check_solicitation(self._session, parse_solicitation(b"".join(value.split())))

    def _received(self) -> bytes:
        """Received (RFC 5321 section 4.4).

        Recipients share one file, so one of them is named only where there is no other who would read it. A
        name in UTF-8 gets into no message that is none (RFC 6531 section 3.7.3).
        """
        session, transaction = self._session, self._transaction
        hello = session.hello or Hello("unknown", extended=False)
        hidden = session.submission and session.config.submission.hide_client
        alone = len(transaction.accounts) == 1
        utf8 = transaction.envelope.utf8
        hop = trace.Hop(
            hello=HIDDEN if hidden else hello.name,
            peer="" if hidden else session.connection.peer,
            by=session.config.hostname,
            protocol=trace.protocol(
                extended=hello.extended,
                secure=session.stream.secure,
                authenticated=session.account is not None,
                lmtp=session.lmtp,
                utf8=utf8,
            ),
            id=self.id,
            recipient=transaction.recipients[0] if alone and len(transaction.recipients) == 1 else None,
            seconds=session.shared.runtime.now(),
            priority=transaction.envelope.priority,
            solicitation=transaction.envelope.solicitation,
            utf8=utf8,
        )
        return trace.received(hop)

    def _invalid(self) -> frozenset[bytes]:
        """The field that is replaced as its value is wrong: Message-ID (RFC 6409 section 8.3)."""
        values = values_of(self._header.text, _MESSAGE_ID)
        right = len(values) <= 1 and all(map(_MSG_ID.fullmatch, values))
        return frozenset() if right else frozenset([_MESSAGE_ID])

    def _missing(self, names: frozenset[bytes]) -> bytes:
        """Date, Message-ID and perhaps Sender where a submitted message has none (RFC 6409 section 8).

        A name in UTF-8 gets into no message that is none (RFC 6531 section 3.7.3).
        """
        seconds = self._session.shared.runtime.now()
        fields = b""
        if b"date" not in names:
            fields += trace.field("Date", trace.date_time(seconds))
        if _MESSAGE_ID not in names:
            host = self._session.config.hostname
            fields += trace.field("Message-ID", f"<{int(seconds)}.{self.id}@{host}>")
        sender = missing_sender(self._session, self._header.text)
        utf8 = self._transaction.envelope.utf8
        if sender is not None and (utf8 or not sender.international):
            fields += trace.field("Sender", str(sender), utf8=utf8)
        return fields
