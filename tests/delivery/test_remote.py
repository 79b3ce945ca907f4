"""Messages on their way to other hosts: who gets which, and what is known of it afterwards."""

import random
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.client import NotConnected
from mailnode.delivery.destination import Destination, Host, NoDestination
from mailnode.delivery.fitting import Message
from mailnode.delivery.outcome import Outcome, Peer, Stage, Verdict, own
from mailnode.delivery.remote import OUR_FAULT, RemoteCourier, progress
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.envelope import Envelope, Origin, Recipient
from mailnode.events.life import Bus, Event, MaybeTwice, PutOff, Relayed
from mailnode.net.blocking import InlineExecutor
from mailnode.queue.entry import Entry, Fate, Progress, new_entry, owed
from mailnode.runtime import Runtime
from mailnode.wire.address import Address, parse_address
from mailnode.wire.esmtp import Notify
from mailnode.wire.smtp import Reply

A, B, C, D = (
    Recipient(parse_address(one))
    for one in ("a@one.example", "b@two.example", "c@One.example", "d@no.example")
)
PEER = Peer("mx.example", "192.0.2.1")
YES = Verdict(Reply(250, "2.6.0", "Queued as 7"), Stage.END)
NO = Verdict(Reply(550, "5.1.1", "No such user\nhere \xe4"), Stage.RCPT)
LATER = Verdict(Reply(451, "", "Greylisted"), Stage.RCPT)
LOST = replace(own(421, "4.4.2", "The connection was lost", Stage.END), maybe_delivered=True)

ROWS: tuple[tuple[Verdict, bool, Progress], ...] = (
    (YES, False, Progress(Fate.RELAYED, "2.6.0", "The host mx.example has taken it", told=True)),
    (
        YES,
        True,
        Progress(
            Fate.RELAYED,
            "2.6.0",
            "The host mx.example has taken it, and does not say more",
            "smtp; 250 2.6.0 Queued as 7",
            host="mx.example",
        ),
    ),
    (
        NO,
        False,
        Progress(
            Fate.FAILED,
            "5.1.1",
            "The host mx.example said: 550 No such user here \xe4",
            "smtp; 550 5.1.1 No such user here \\xe4",
            host="mx.example",
        ),
    ),
    (
        LATER,
        False,
        Progress(
            Fate.WAITING,
            "4.0.0",
            "The host mx.example said: 451 Greylisted",
            "smtp; 451 Greylisted",
            host="mx.example",
        ),
    ),
    (
        LOST,
        False,
        Progress(Fate.WAITING, "4.4.2", "mx.example: The connection was lost"),
    ),
)


class OfOutcome(SynchronousTestCase):
    """progress"""

    def test_each(self) -> None:
        """Words for the sender; the reply as it was, in printable ASCII, where another host gave one."""
        for verdict, without_dsn, wanted in ROWS:
            self.assertEqual(progress(Outcome(A, verdict, PEER, without_dsn)), wanted)

    def test_long(self) -> None:
        """A long reply is cut."""
        verdict = Verdict(Reply(550, "", "x" * 10_000), Stage.RCPT)
        found = progress(Outcome(A, verdict, PEER))
        self.assertLessEqual(len(found.diagnostic), 500)
        self.assertLessEqual(len(found.reason), 1100)

    def test_owed(self) -> None:
        """RFC 3461 section 5.2.2: of a success that was asked for it is told where the next host will not."""
        for notify, without_dsn, count in (
            (Notify.SUCCESS, True, 1),
            (Notify.SUCCESS, False, 0),
            (None, True, 0),
        ):
            recipient = replace(A, notify=notify)
            envelope = Envelope(B.address, recipients=(recipient,))
            found = progress(Outcome(recipient, YES, PEER, without_dsn))
            self.assertEqual(len(owed(envelope, (found,))), count)


class Known:
    """Destinations by domain; all but those have one of their own."""

    def __init__(self) -> None:
        self.places: dict[str, Any] = {"no.example": NoDestination("5.1.2", "There is no no.example")}
        self.asked: list[tuple[str, bool]] = []
        self.tls_optional: list[str] = []
        self.senders: list[Address | None] = []

    async def find(
        self,
        domain: str,
        *,
        sender: Address | None = None,
        require_tls: bool = False,
        tls_optional: bool = False,
    ) -> Destination:
        """As Destinations."""
        self.asked.append((domain, require_tls))
        self.senders.append(sender)
        self.tls_optional += [domain] * tls_optional
        place = self.places.get(domain, domain)
        if isinstance(place, Exception):
            raise place
        return Destination(place, (Host("mx", ("192.0.2.1",), 25, TlsPolicy(Level.OPPORTUNISTIC)),))


class Connected:
    """Takes messages, as Connections does."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Any] = {}  # by destination
        self.messages: list[tuple[str, Message]] = []
        self.held: dict[str, Deferred[None]] = {}

    async def deliver(self, destination: Destination, message: Message) -> tuple[Outcome, ...]:
        """Everybody gets the same verdict."""
        self.messages.append((destination.key, message))
        if destination.key in self.held:
            await self.held[destination.key]
        verdict = self.verdicts.get(destination.key, YES)
        if isinstance(verdict, Exception):
            raise verdict
        return tuple(Outcome(one, verdict, PEER) for one in message.envelope.recipients)


async def content() -> AsyncGenerator[bytes, None]:
    """A message."""
    yield b"Subject: a\r\n\r\nx\r\n"


class Carrying(SynchronousTestCase):
    """RemoteCourier"""

    def setUp(self) -> None:
        self.known, self.connected = Known(), Connected()
        self.events: list[Event] = []
        bus = Bus()
        bus.subscribe(self.events.append)
        self.runtime = Runtime(Clock(), random.Random(1), InlineExecutor())
        fakes = cast(Any, self.known), cast(Any, self.connected)
        self.courier = RemoteCourier(self.runtime.clock, *fakes, bus)
        self.settled: list[dict[int, Progress]] = []

    def entry(self, *people: Recipient, **facts: Any) -> Entry:
        """One in the queue."""
        facts.setdefault("reverse_path", parse_address("me@here.example"))
        return new_entry("M1", Envelope(recipients=people, **facts), came=0, due=0)

    def carry(self, entry: Entry, *numbers: int) -> "Deferred[Any]":
        """One try on its way."""

        async def settled(found: Any) -> None:
            self.settled.append(dict(found))

        numbers = numbers or tuple(range(len(entry.progress)))
        return Deferred.fromCoroutine(self.courier.carry(entry, numbers, content, 17, settled=settled))

    def fates(self, entry: Entry, *numbers: int) -> dict[int, tuple[str, str]]:
        """Fate and status of each."""
        found = self.successResultOf(self.carry(entry, *numbers))
        return {number: (one.fate.value, one.status) for number, one in sorted(found.items())}

    def test_groups(self) -> None:
        """Those of one destination go together, whoever else there is; only those who are asked for."""
        entry = self.entry(A, B, C, A)
        self.assertEqual(set(self.fates(entry, 0, 1, 2)), {0, 1, 2})
        sent = {key: message.envelope.recipients for key, message in self.connected.messages}
        self.assertEqual(sent, {"one.example": (A, C), "two.example": (B,)})
        self.assertEqual(self.connected.messages[0][1].octets, 17)
        self.assertEqual(sorted(map(sorted, self.settled)), [[0, 2], [1]])

    def test_one_destination(self) -> None:
        """Nothing is settled before the end where the end is next; the envelope goes as it is."""
        entry = self.entry(A, C)
        self.assertEqual(set(self.fates(entry)), {0, 1})
        self.assertIs(self.connected.messages[0][1].envelope, entry.envelope)
        self.fates(entry, 1)
        self.assertEqual(self.connected.messages[1][1].envelope.recipients, (C,))
        self.assertEqual(self.settled, [])

    def test_one_relay(self) -> None:
        """Domains that lead to the same host share a transaction."""
        self.known.places = {"one.example": "relay:25", "two.example": "relay:25"}
        self.fates(self.entry(A, B))
        ((key, message),) = self.connected.messages
        self.assertEqual((key, message.envelope.recipients), ("relay:25", (A, B)))

    def test_crowd(self) -> None:
        """Hundreds of domains, and messages, that nobody has to wait for, do not call one another."""
        people = [Recipient(parse_address(f"a@d{number}.example")) for number in range(2000)]
        work = self.carry(self.entry(*people))
        others = [self.carry(self.entry(A)) for _ in range(2000)]
        self.runtime.clock.pump([0] * 4000)  # type: ignore[attr-defined]
        self.assertEqual({one.fate for one in self.successResultOf(work).values()}, {Fate.RELAYED})
        for one in others:
            self.assertEqual(self.successResultOf(one)[0].fate, Fate.RELAYED)

    def test_each_its_own(self) -> None:
        """Delivered, refused, later, and nowhere to go, in one message."""
        self.connected.verdicts = {"two.example": LATER, "three.example": NO}
        other = Recipient(parse_address("e@three.example"))
        self.assertEqual(
            self.fates(self.entry(A, B, D, other)),
            {
                0: ("relayed", "2.6.0"),
                1: ("delayed", "4.0.0"),
                2: ("failed", "5.1.2"),
                3: ("failed", "5.1.1"),
            },
        )
        self.assertEqual(
            [type(event) for event in self.events], [Relayed, PutOff]
        )  # what has failed is told by the queue

    def test_no_destination(self) -> None:
        """Nobody can say where, for now."""
        self.known.places["no.example"] = NoDestination("4.4.3", "The DNS does not say")
        self.assertEqual(self.fates(self.entry(D)), {0: ("delayed", "4.4.3")})
        self.assertEqual(self.connected.messages, [])

    def test_no_session(self) -> None:
        """No host of the destination begins a session: everybody waits, or nobody."""
        for code, fate in ((421, "delayed"), (554, "failed")):
            verdict = Verdict(Reply(code, "", "Go away"), Stage.GREETING)
            self.connected.verdicts = {"one.example": NotConnected(verdict, PEER)}
            self.assertEqual(
                self.fates(self.entry(A, C)), dict.fromkeys((0, 1), (fate, f"{code // 100}.0.0"))
            )

    def test_doubt(self) -> None:
        """O2: a second copy is possible, which is counted."""
        self.connected.verdicts = {"one.example": LOST}
        self.assertEqual(self.fates(self.entry(A, C))[0], ("delayed", "4.4.2"))
        self.assertIn(MaybeTwice("", "M1", "mx.example", 2), self.events)

    def test_slow_one(self) -> None:
        """Each destination is settled when it is through, however long others take."""
        self.connected.held = {"one.example": Deferred()}
        carrying = self.carry(self.entry(A, B))
        self.assertEqual([set(one) for one in self.settled], [{1}])
        self.assertNoResult(carrying)
        self.connected.held["one.example"].callback(None)
        self.assertEqual(set(self.successResultOf(carrying)), {0, 1})

    def test_bugs(self) -> None:
        """Our mistake with one destination costs the others nothing, and is temporary."""
        self.connected.verdicts = {"one.example": RuntimeError("x")}
        self.known.places["no.example"] = RuntimeError("y")
        found = self.successResultOf(self.carry(self.entry(A, B, D)))
        self.assertEqual((found[0], found[2], found[1].fate), (OUR_FAULT, OUR_FAULT, Fate.RELAYED))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_sender(self) -> None:
        """The route of a sender, with its login, is for our own people, whatever strangers say."""
        for origin in (None, Origin("192.0.2.9", "x.example")):
            self.fates(self.entry(A, reverse_path=B.address, origin=origin))
        self.assertEqual(self.known.senders, [B.address, None])

    def test_tls_optional(self) -> None:
        """RFC 8460 section 3: a report on TLS goes whatever is wrong with that, other messages do not."""
        for optional in (True, False):
            self.fates(self.entry(A, tls_optional=optional, reverse_path=None))
        self.assertEqual(self.known.tls_optional, ["one.example"])

    def test_require_tls(self) -> None:
        """RFC 8689 section 4.2.1: such a message needs hosts that prove who they are; a report does not."""
        for reverse_path, wanted in ((A.address, True), (None, False)):
            self.fates(self.entry(A, require_tls=True, reverse_path=reverse_path))
            self.assertEqual(self.known.asked.pop(), ("one.example", wanted))
