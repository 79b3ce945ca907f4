"""One message between DATA's octets and the couriers: limits, trace fields, and what submission mends."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from twisted.python.failure import Failure

from mailnode.delivery.live import NobodyThere
from mailnode.delivery.moderation import Decided, is_automatic
from mailnode.delivery.route import NOBODY
from mailnode.delivery.together import DeliveryToEach, Together
from mailnode.envelope import Body, Kind, Recipient
from mailnode.events.life import Held
from mailnode.message import trace
from mailnode.message.header import values_of
from mailnode.message.list_fields import LIST_FIELDS, came_through
from mailnode.message.message_ids import is_message_id
from mailnode.queue.entry import Approval, Entry, new_entry
from mailnode.queue.runner import Busy
from mailnode.queue.spool import Unreadable
from mailnode.smtp.author import check_authors, missing_sender
from mailnode.smtp.commands.rcpt import by_name
from mailnode.smtp.extensions import check_solicitation, size_limit, too_large
from mailnode.smtp.header_block import HeaderBlock, edit
from mailnode.smtp.outcome import NOBODY_THERE, TEMPORARY, Refused, for_error
from mailnode.smtp.posting import needs_approval
from mailnode.smtp.session import Hello, Session
from mailnode.smtp.transaction import Transaction
from mailnode.store.errors import StoreError
from mailnode.values import replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import parse_solicitation
from mailnode.wire.smtp import Reply

# Who a message comes from whose client is not to be named: a name that nobody has (RFC 6761 section 6.4).
HIDDEN = "client.invalid"
TOO_LATE = Reply(554, "5.4.7", "The time in which it was to be delivered is over")
SENT_BEFORE = Reply(554, "5.4.6", "The message has come through this list already")
DECIDED = Reply(550, "5.5.0", "That message does not wait any more: it was decided on before")
NOBODY_WROTE = Reply(550, "5.7.1", "An automatic answer decides nothing")

# RFC 5321 section 4.4: at final delivery the reverse-path of this transaction is the only Return-Path.
_FROM_ANYBODY = frozenset([b"return-path"])
_MESSAGE_ID = b"message-id"
_FROM_OUR_OWN = _FROM_ANYBODY | {b"bcc", b"resent-bcc"}  # RFC 5322 sections 3.6.3 and 3.6.6


class Incoming:
    """The content of one message as it comes in. Memory: its header, and one piece of its body."""

    def __init__(self, session: Session, transaction: Transaction) -> None:
        self.id = session.shared.runtime.new_id()
        self.octets = 0
        self._session = session
        self._transaction = transaction
        self._header = HeaderBlock(session.limits.header_size)
        self._kind = transaction.envelope.kind
        self._delivery: Together | None = None
        self._header_text = b""  # as it is delivered
        self._release = 0.0  # until when it is to wait

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
        """Deliver it, show it, or queue it: after this all is done for every recipient. Raises Refused."""
        self._check_deadline()
        delivery = self._delivery = self._delivery or self._begin()
        await self._decide()
        try:
            await delivery.commit()
        except NobodyThere:
            raise Refused(NOBODY_THERE) from None
        except (OSError, StoreError) as error:
            raise self._disk_refused(error) from error
        if self._kind is Kind.MAIL:  # else something may be left of it, for those who have only seen it
            self._delivery = None
        if self._release:
            held = Held(self._session.connection.id, self.id, int(self._release))
            self._session.shared.bus.publish(held)
        await self._report()

    async def _decide(self) -> None:
        """Do what a moderator wants, if the message is an answer.

        Raises Refused where it has no effect; but a copy for others, as mail programs send at "reply to all",
        goes to them all the same.
        """
        answer = self._transaction.answer
        if answer is None:
            return
        reply = NOBODY_WROTE if is_automatic(self._header.text) else None
        try:
            if reply is None:
                await self._session.shared.moderators.decide(answer)
        except Decided:
            reply = DECIDED
        except (Busy, Unreadable, OSError) as error:
            self._session.connection.log.warn("answer not taken", message=answer.message, reason=error)
            raise Refused(TEMPORARY) from error
        if reply is not None and not self._transaction.copies:
            raise Refused(reply)

    @property
    def answer(self) -> Reply:
        """The good news for the client, once it is finished."""
        text = f"Ok: {self.id}"
        if self._release:
            text += f" held until {trace.date_time(self._release)}"
        return Reply(250, "2.0.0", text)

    @property
    def message_id(self) -> str:
        """The Message-ID that it is delivered with; "" where it has none."""
        values = values_of(self._header_text, _MESSAGE_ID)
        return values[0].strip().decode("utf-8", "backslashreplace") if values else ""

    async def _report(self) -> None:
        """Tell the sender that it has arrived, where that was asked for (RFC 3461 section 4.1).

        What is to get into mailboxes later is not there yet; a list on other hosts has it.
        """
        transaction = self._transaction
        asked = any(one.notify is not None for one in transaction.recipients)
        if not asked or not self._session.reports_success or self._kind not in (Kind.MAIL, Kind.SAML):
            return  # nobody asked, or nobody knows who has only seen it
        leads_to = [NOBODY if self._release and one.accounts else one for one in transaction.leads_to]
        try:
            await self._session.shared.reports.of_arrival(
                self.id, transaction.whole_envelope, leads_to, self._header_text
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
        await self._decide()
        try:
            errors = await delivery.commit_each([route.accounts for route in self._transaction.leads_to])
        except (OSError, StoreError) as error:
            raise self._disk_refused(error) from error
        self._delivery = None
        return [self._disk_refused(error, recipients=1).reply if error else None for error in errors]

    async def abort(self) -> None:
        """Forget it, once; does nothing after finish()."""
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            await delivery.abort()

    async def _writing(self, delivery: Together, piece: bytes) -> None:
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

    def _begin(self) -> Together:
        """Decide which way the message goes, by what is known now: its envelope and its header."""
        session, envelope = self._session, self._transaction.envelope
        self._check_mailboxes()
        self._check_solicitation()
        if session.submission:
            check_authors(session, self._transaction.envelope.reverse_path, self._header.text)
        remove = _FROM_OUR_OWN | self._invalid() if session.submission else _FROM_ANYBODY
        self._check_lists()
        header, names = edit(self._header.text, limits=session.limits, remove=remove)
        fields = self._received() + (self._missing(names) if session.submission else b"")
        head = self._header_text = fields + header
        if envelope.release > session.shared.runtime.now():
            self._release = envelope.release
        queue = session.shared.queue
        admissions = [
            (number, queue(entry, fields + self._for_list(header) if name else head))
            for number, name, entry in self._entries()
        ]
        return Together(None if self._release else self._to_mailboxes(head), admissions)

    def _for_list(self, header: bytes) -> bytes:
        """The header as a list is to have it, which writes fields of its own."""
        return edit(header, limits=self._session.limits, remove=LIST_FIELDS)[0]

    def _to_mailboxes(self, head: bytes) -> DeliveryToEach | None:
        """The way into mailboxes, or to who is there now; None where nobody is to have it there."""
        session, envelope = self._session, self._transaction.envelope
        accounts = list(self._transaction.accounts)
        if not accounts:
            return None
        head = trace.final(envelope.reverse_path, accounts, utf8=envelope.utf8) + head
        begin: Callable[..., Any] = session.shared.courier.begin
        if self._kind is not Kind.MAIL:
            begin = partial(session.shared.live_courier.begin, envelope)
        delivery: DeliveryToEach = begin(
            accounts,
            head,
            message=self.id,
            connection=session.connection.id,
            always=self._transaction.always,
            paired=envelope.body is not Body.BINARY,  # what has a CR or LF alone is refused, or mended
        )
        return delivery

    def _check_mailboxes(self) -> None:
        """Put off what is for a mailbox that went since RCPT: when it comes again, its sender is told."""
        if not self._transaction.accounts.keys() <= self._session.shared.live.mailboxes.mailboxes.keys():
            raise Refused(TEMPORARY)

    def _entries(self) -> Iterator[tuple[int, str, Entry]]:
        """What goes into the queue, with the numbers of recipients: all that goes on, and all that waits.

        The recipients of a message that waits are routed to their mailboxes when its time has come. Those
        that lead to other hosts and to lists are known now. A list passes over who has the message already.
        """
        session, transaction, runtime = self._session, self._transaction, self._session.shared.runtime
        if not (transaction.outgoing or self._release):  # nearly all
            return
        outgoing = {key: list(copies.values()) for key, copies in transaction.outgoing.items()}
        if self._release:
            waiting = outgoing.setdefault((0, transaction.envelope, ""), [])
            waiting += self._held()
        now = runtime.now()
        ids = chain([self.id], iter(runtime.new_id, None))
        reached = () if session.lmtp or self._release else tuple(transaction.accounts)
        for id, ((number, one, name), to) in zip(ids, outgoing.items(), strict=False):
            if not to:
                continue
            due = max(now, self._release)
            entry = new_entry(id, replace(one, recipients=tuple(to)), came=now, due=due)
            if name:
                approval = Approval.WANTED if needs_approval(session, name) else Approval.GIVEN
                entry = replace(entry, reached=reached, approval=approval)
            yield number, name, entry

    def _check_lists(self) -> None:
        """Refuse what a list has sent already: one of its members sends it back."""
        for _, _, name in self._transaction.outgoing:
            if name and came_through(self._header.text, name):
                raise Refused(SENT_BEFORE)

    def _held(self) -> Iterator[Recipient]:
        """Those with mailboxes here; an address that only this connection understands gets a name."""
        transaction = self._transaction
        for recipient, route in zip(transaction.recipients, transaction.leads_to, strict=True):
            if route.accounts:
                yield replace(recipient, address=by_name(self._session, recipient.address))

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
        alone = transaction.copies == len(transaction.recipients) == 1
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
            recipient=transaction.recipients[0].address if alone else None,
            seconds=session.shared.runtime.now(),
            priority=transaction.envelope.priority,
            solicitation=transaction.envelope.solicitation,
            utf8=utf8,
        )
        return trace.received(hop)

    def _invalid(self) -> frozenset[bytes]:
        """The field that is replaced as its value is wrong: Message-ID (RFC 6409 section 8.3)."""
        values = values_of(self._header.text, _MESSAGE_ID)
        right = len(values) <= 1 and all(map(is_message_id, values))
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
