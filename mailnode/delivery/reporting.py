"""Tells senders what became of their messages."""

from collections.abc import Iterator, Sequence
from functools import partial

from mailnode.auth.live import Live
from mailnode.checks.spf import Spf
from mailnode.config_lists import list_owner
from mailnode.delivery.letters import Letters
from mailnode.delivery.local import PIECE
from mailnode.delivery.report import LARGEST_RETURNED, Report, compose, returned_whole
from mailnode.delivery.route import Route, Router
from mailnode.delivery.words.languages import choose
from mailnode.envelope import Envelope
from mailnode.events.life import Bus, NotTold, Reported
from mailnode.events.log import Log
from mailnode.fs import ReadFile
from mailnode.message.language import languages
from mailnode.queue.entry import WAITING, Entry, Fate, Outcome, Progress, Proof, owed
from mailnode.queue.runner import DAY, NotNow, gives_up
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.store.errors import StoreError
from mailnode.wire.address import Address, parse_address

_DELIVERED = Progress(Fate.DELIVERED, "2.0.0")
_EXPANDED = Progress(Fate.EXPANDED, "2.0.0")


def arrived(route: Route) -> Progress:
    """What it is called when all who are meant have the message, or have it in the queue.

    A list is the end of the way for its sender (RFC 3461 section 5.2.7.1), an alias for several is expanded
    (section 5.2.7.3, choice c). Of the one address on another host that a recipient leads to the queue tells.
    """
    if route.copies > 1:
        return _EXPANDED
    return _DELIVERED if route.accounts or route.lists else WAITING


class Reporter:
    """Reports what is owed of messages in the queue.

    A sender on another host may be forged, and who is told then has sent nothing (backscatter). So what
    cannot be delivered is refused in the session, and of what was accepted from a stranger, to go on or to
    wait, a failure is told only where SPF proves that it came from the sender's domain (vector B2).
    """

    def __init__(
        self, live: Live, runtime: Runtime, reports: "Reports", spool: Spool, bus: Bus, spf: Spf
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._reports = reports
        self._spool = spool
        self._bus = bus
        self._spf = spf

    async def of_entry(self, entry: Entry) -> bool:
        """Report what is owed of a message in the queue; False where nobody knows to whom.

        Raises OSError; and NotNow where the DNS does not say it now, and no other try is to come.
        """
        if not await self._is_proved(entry):
            return False
        whole = returned_whole(entry.envelope, entry.owed)
        octets = await self._runtime.blocking.run(partial(original, self._spool, entry, whole=whole))
        until = gives_up(entry)
        await self._reports.send(
            entry.id, entry.envelope, entry.owed, came=entry.came, original=octets, until=until
        )
        return True

    async def _is_proved(self, entry: Entry) -> bool:
        """Whether the sender of an entry may be told; a mailbox here may always be."""
        origin, reverse_path = entry.envelope.origin, entry.envelope.reverse_path
        config = self._live.config
        if not config.prove_senders or entry.proof is Proof.WAIVED or origin is None or reverse_path is None:
            return True
        sender = Router(self._live).sender(reverse_path)
        if sender.domain_key in config.domains:
            return True
        found = await self._spf.check(origin.address, origin.hello, sender)
        if found.result == "temperror" and not entry.waiting and self._runtime.now() < gives_up(entry) + DAY:
            raise NotNow
        if found.result != "pass":
            self._bus.publish(NotTold("", entry.id, str(sender), f"SPF: {found.result} {found.reason}"))
        return found.result == "pass"


class Reports:
    """Writes reports, and sends them to those who sent the message: into their mailboxes here, or on.

    A report has no reverse-path, so nothing is ever reported of it. One that does not fit into the sender's
    mailbox, or has nowhere to go, is only told to the log.
    """

    def __init__(self, live: Live, runtime: Runtime, letters: Letters, bus: Bus) -> None:
        self._live = live
        self._runtime = runtime
        self._letters = letters
        self._bus = bus
        self._log = Log("mailnode.reports")

    async def of_arrival(
        self, message: str, envelope: Envelope, leads_to: Sequence[Route], header: bytes
    ) -> None:
        """Report a delivery that has just taken place, if that is wanted (NOTIFY=SUCCESS). Raises OSError.

        `leads_to` is where each recipient leads, `header` is that of the message.
        """
        outcomes = owed(envelope, tuple(map(arrived, leads_to)))
        await self.send(message, envelope, outcomes, came=self._runtime.now(), original=header)

    async def send(
        self,
        message: str,
        envelope: Envelope,
        outcomes: Sequence[Outcome],
        *,
        came: float,
        original: bytes,
        until: float = 0.0,
    ) -> None:
        """Tell the sender of a message; `until` is when it is given up. Raises OSError."""
        sender = envelope.reverse_path
        if not outcomes or sender is None:
            return
        name = self._runtime.new_id()
        hostname, now = self._live.config.hostname, self._runtime.now()
        words = choose(self._languages(sender, original), self._live.config.language)
        octets = compose(Report(name, hostname, now, came, envelope, outcomes, original, until, words))
        try:
            sent = await self._letters.send(name, octets, self._hearing(sender))
        except StoreError as error:
            self._log.warn("report not delivered", message=message, reason=type(error).__name__)
            return
        if not sent:
            self._log.warn("no way to report to the sender", message=message, sender=sender)
            return
        self._bus.publish(Reported("", message, str(sender)))

    def _hearing(self, sender: Address) -> list[Address]:
        """The sender; of a list that is not open the owner: anybody can say to be the list."""
        lists = self._live.mailboxes.lists
        closed = [
            (name, lists[name])
            for name in Router(self._live).resolve(sender).lists
            if lists[name].posting != "open"
        ]
        return [parse_address(list_owner(*one), utf8=True) for one in closed] or [sender]

    def _languages(self, sender: Address, original: bytes) -> Iterator[str]:
        """Those the sender understands, the best first: by a mailbox here, then by the message's header."""
        people = self._live.mailboxes.mailboxes
        accounts = Router(self._live).everybody(sender).accounts
        yield from (people[account].language for account in accounts if account in people)
        yield from languages(original)


def original(spool: Spool, entry: Entry, *, whole: bool) -> bytes:
    """A message of the queue, or its header with the empty line where not `whole`, or where it is large.

    Raises OSError; nothing is left of one that was removed by hand.
    """
    try:
        opened = spool.body(entry.id)
    except FileNotFoundError:
        return b""
    with opened as body:
        size = body.stat().st_size
        octets = body.read_at(0, size) if whole and size <= LARGEST_RETURNED else _header(body)
    return entry.head.encode() + octets


def _header(body: ReadFile) -> bytes:
    """The header of a message with its empty line; what is longer than a piece is cut off at a line's end."""
    octets = body.read_at(0, PIECE)
    header, empty_line, _ = octets.partition(b"\r\n\r\n")
    if not empty_line and len(octets) == PIECE:
        header = header[: header.rfind(b"\r\n")]
    return header + b"\r\n\r\n"
