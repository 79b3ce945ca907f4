"""Tells senders what became of their messages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mailnode.auth.live import Live
from mailnode.delivery.forwarding import forwarded
from mailnode.delivery.local import PIECE, LocalCourier, LocalDelivery
from mailnode.delivery.report import LARGEST_RETURNED, Report, compose, returned_whole
from mailnode.delivery.route import Route, Router
from mailnode.delivery.together import Together
from mailnode.delivery.words.languages import choose
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.events.life import Bus, Reported
from mailnode.events.log import Log
from mailnode.fs import ReadFile
from mailnode.message import trace
from mailnode.message.language import languages
from mailnode.queue.admission import Admission
from mailnode.queue.entry import WAITING, Entry, Fate, Outcome, Progress, new_entry, owed
from mailnode.queue.runner import gives_up
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.store.errors import StoreError
from mailnode.wire.address import Address

_DELIVERED = Progress(Fate.DELIVERED, "2.0.0")
_EXPANDED = Progress(Fate.EXPANDED, "2.0.0")


def arrived(route: Route) -> Progress:
    """What it is called when all who are meant have the message, or have it in the queue.

    A list is the end of the way for its sender (RFC 3461 section 5.2.7.1), an alias for several is expanded
    (section 5.2.7.3, choice c). Of the one address on another host that a recipient leads to the queue tells.
    """
    if route.is_list:
        return _DELIVERED
    if route.copies > 1:
        return _EXPANDED
    return _DELIVERED if route.accounts else WAITING


class Reporter:
    """Writes reports, and sends them to those who sent the message: into their mailboxes here, or on.

    A report has no reverse-path, so nothing is ever reported of it. One that does not fit into the sender's
    mailbox, or has nowhere to go, is only told to the log. `begin` is the way into the queue.

    A sender on another host may be forged, and who is told then has sent nothing (backscatter). So what
    cannot be delivered is refused in the session: reports of failure are only of what was accepted to go on
    or to wait.
    """

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        courier: LocalCourier,
        spool: Spool,
        bus: Bus,
        *,
        begin: Callable[[Entry, bytes], Admission],
    ) -> None:
        self._begin = begin
        self._live = live
        self._runtime = runtime
        self._courier = courier
        self._spool = spool
        self._bus = bus
        self._log = Log("mailnode.reports")

    async def of_entry(self, entry: Entry) -> None:
        """Report what is owed of a message in the queue. Raises OSError."""
        original = await self._runtime.blocking.run(self._original, entry)
        until = gives_up(entry)
        await self._send(
            entry.id, entry.envelope, entry.owed, came=entry.came, original=original, until=until
        )

    async def of_arrival(
        self, message: str, envelope: Envelope, leads_to: Sequence[Route], header: bytes
    ) -> None:
        """Report a delivery that has just taken place, if that is wanted (NOTIFY=SUCCESS). Raises OSError.

        `leads_to` is where each recipient leads, `header` is that of the message.
        """
        outcomes = owed(envelope, tuple(map(arrived, leads_to)))
        await self._send(message, envelope, outcomes, came=self._runtime.now(), original=header)

    def _original(self, entry: Entry) -> bytes:
        try:
            opened = self._spool.body(entry.id)
        except FileNotFoundError:
            return b""  # removed by hand; its sender is to hear of the failure all the same
        with opened as body:
            size = body.stat().st_size
            if size <= LARGEST_RETURNED and returned_whole(entry.envelope, entry.owed):
                return body.read_at(0, size)
            return _header(body)

    async def _send(
        self,
        message: str,
        envelope: Envelope,
        outcomes: Sequence[Outcome],
        *,
        came: float,
        original: bytes,
        until: float = 0.0,
    ) -> None:
        sender = envelope.reverse_path
        if not outcomes or sender is None:
            return
        name = self._runtime.new_id()
        hostname, now = self._live.config.hostname, self._runtime.now()
        route = Router(self._live).resolve(sender)
        words = choose(self._languages(route, original), self._live.config.language)
        octets = compose(Report(name, hostname, now, came, envelope, outcomes, original, until, words))
        admissions = self._queued(name, sender, route, octets.isascii())
        if not route.accounts and not admissions:
            self._log.warn("no way to report to the sender", message=message, sender=sender)
            return
        delivery = Together(self._to_mailboxes(name, route.accounts), admissions)
        try:
            await delivery.write(octets)
            await delivery.commit()
        except StoreError as error:
            self._log.warn("report not delivered", message=message, reason=type(error).__name__)
            return
        finally:
            await delivery.abort()
        self._bus.publish(Reported("", message, str(sender)))

    def _languages(self, route: Route, original: bytes) -> Iterator[str]:
        """Those the sender understands, the best first: by a mailbox here, then by the message's header."""
        people = self._live.mailboxes.mailboxes
        yield from (people[account].language for account in route.accounts if account in people)
        yield from languages(original)

    def _to_mailboxes(self, name: str, accounts: Sequence[str]) -> LocalDelivery | None:
        if not accounts:
            return None
        return self._courier.begin(accounts, trace.final(None, accounts), message=name, connection="")

    def _queued(self, name: str, sender: Address, route: Route, plain: bool) -> list[tuple[int, Admission]]:
        """The way to a sender on other hosts. Nobody wants to know what becomes of a report."""
        body = Body.SEVEN_BIT if plain else Body.EIGHT_BIT
        wanted = Envelope(None, body=body, utf8=sender.international)
        copies = list(forwarded(wanted, Recipient(sender), route))
        if not copies:
            return []
        recipients = tuple(recipient for _, recipient in copies)
        utf8 = any(one.utf8 for one, _ in copies)
        now = self._runtime.now()
        entry = new_entry(name, replace(wanted, recipients=recipients, utf8=utf8), came=now, due=now)
        return [(0, self._begin(entry, b""))]


def _header(body: ReadFile) -> bytes:
    """The header of a message with its empty line; what is longer than a piece is cut off at a line's end."""
    octets = body.read_at(0, PIECE)
    header, empty_line, _ = octets.partition(b"\r\n\r\n")
    if not empty_line and len(octets) == PIECE:
        header = header[: header.rfind(b"\r\n")]
    return header + b"\r\n\r\n"
