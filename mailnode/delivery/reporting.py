"""Tells senders what became of their messages, in their mailboxes here."""

from collections.abc import Sequence

from mailnode.auth.live import Live
from mailnode.delivery.local import PIECE, LocalCourier
from mailnode.delivery.report import LARGEST_RETURNED, Report, compose, returned_whole
from mailnode.delivery.route import Local, Router
from mailnode.envelope import Envelope
from mailnode.events.life import Bus, Reported
from mailnode.events.log import Log
from mailnode.fs import ReadFile
from mailnode.message import trace
from mailnode.queue.entry import Entry, Fate, Outcome, Progress, owed
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.store.errors import StoreError

_DELIVERED = Progress(Fate.DELIVERED, "2.0.0")
_EXPANDED = Progress(Fate.EXPANDED, "2.0.0")


def arrived(accounts: Sequence[str]) -> Progress:
    """What a recipient's mailboxes having a message is called (RFC 3461 section 5.2.7.3, choice c)."""
    return _EXPANDED if len(accounts) > 1 else _DELIVERED


class Reporter:
    """Writes reports, and delivers them to those of our own people who sent the message.

    A report has no reverse-path, so nothing is ever reported of it. One that does not fit into the sender's
    mailbox, or has nowhere to go, is only told to the log.
    """

    def __init__(self, live: Live, runtime: Runtime, courier: LocalCourier, spool: Spool, bus: Bus) -> None:
        self._live = live
        self._runtime = runtime
        self._courier = courier
        self._spool = spool
        self._bus = bus
        self._log = Log("mailnode.reports")

    async def of_entry(self, entry: Entry) -> None:
        """Report what is owed of a message in the queue. Raises OSError."""
        original = await self._runtime.blocking.run(self._original, entry)
        await self._send(entry.id, entry.envelope, entry.owed, came=entry.came, original=original)

    async def of_arrival(
        self, message: str, envelope: Envelope, leads_to: Sequence[Sequence[str]], header: bytes
    ) -> None:
        """Report a delivery that has just taken place, if that is wanted (NOTIFY=SUCCESS). Raises OSError.

        `leads_to` are the mailboxes of each recipient, `header` is that of the message.
        """
        outcomes = owed(envelope, tuple(arrived(accounts) for accounts in leads_to))
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
        self, message: str, envelope: Envelope, outcomes: Sequence[Outcome], *, came: float, original: bytes
    ) -> None:
        sender = envelope.reverse_path
        if not outcomes or sender is None:
            return
        route = Router(self._live).resolve(sender)
        if not isinstance(route, Local):
            self._log.warn("no way to report to the sender", message=message, sender=sender)
            return
        hostname = self._live.config.hostname
        name = self._runtime.new_id()
        octets = compose(
            Report(name, hostname, self._runtime.now(), came, envelope, outcomes, original=original)
        )
        head = trace.final(None, route.accounts)
        delivery = self._courier.begin(route.accounts, head, message=name, connection="")
        try:
            await delivery.write(octets)
            await delivery.commit()
        except StoreError as error:
            self._log.warn("report not delivered", message=message, reason=type(error).__name__)
            return
        finally:
            await delivery.abort()
        self._bus.publish(Reported("", message, str(sender)))


def _header(body: ReadFile) -> bytes:
    """The header of a message with its empty line; what is longer than a piece is cut off at a line's end."""
    octets = body.read_at(0, PIECE)
    header, empty_line, _ = octets.partition(b"\r\n\r\n")
    if not empty_line and len(octets) == PIECE:
        header = header[: header.rfind(b"\r\n")]
    return header + b"\r\n\r\n"
