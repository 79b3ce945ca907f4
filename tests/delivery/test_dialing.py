"""Sessions with hosts as the configuration and the DNS want them: the whole way, with the real client."""

import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

from twisted.protocols import tls as twisted_tls

from mailnode.admin.certificates import write_certificates
from mailnode.auth.live import Live
from mailnode.config import Config, Mailboxes
from mailnode.config_sending import Relay
from mailnode.delivery import dialing
from mailnode.delivery.client import NotConnected
from mailnode.delivery.connections import Connections
from mailnode.delivery.destination import Destination, Destinations, Host, Login
from mailnode.delivery.dialing import Dialer
from mailnode.delivery.opening import NOT_OFFERED
from mailnode.delivery.outcome import Result
from mailnode.delivery.remote import RemoteCourier
from mailnode.delivery.tls_policy import (
    Level,
    TlsOutcome,
    TlsPolicy,
    of_route,
    of_sts,
    without_policy,
)
from mailnode.envelope import Body, Recipient
from mailnode.events.life import Bus, Event, Relayed
from mailnode.fs import FileSystem
from mailnode.net.identity import HOST_MISMATCH
from mailnode.net.tls import make_client_context
from mailnode.queue.entry import Fate, new_entry
from mailnode.runtime import Runtime
from mailnode.wire.address import parse_address
from mailnode.wire.mta_sts import StsPolicy
from tests.delivery.peers import ANNA, CUT, FakeServer, World, letter
from tests.delivery.test_opening import NAME, OFFER, PLAIN, OpeningTestCase
from tests.delivery.test_own_server import Own
from tests.net.zone import Zone
from tests.scratch import scratch
from tests.smtp.world import World as OwnWorld

ENFORCE = StsPolicy("enforce", 1, (NAME,))
TESTING = StsPolicy("testing", 1, ("other.example",))
CLEAR = TlsPolicy(Level.CLEAR)


class DialingTestCase(OpeningTestCase):
    """A dialer whose endpoints lead into a world."""

    def setUp(self) -> None:
        super().setUp()
        room = scratch()
        self.addCleanup(room.cleanup)
        self.password_file = os.path.join(room.name, "password")
        self.files = FileSystem()
        self.live = Live(Config(hostname="here.example"), Mailboxes())
        self.counted: list[TlsOutcome] = []
        self.called: list[tuple[str, int]] = []

    def dialer(self, world: Any, runtime: Runtime) -> Dialer:
        """One for the world."""

        def endpoint(address: str, port: int) -> Any:
            self.called.append((address, port))
            return world

        return Dialer(self.live, runtime, self.files, endpoint, self.roots, self.counted.append)

    def dial(self, world: World, tls: TlsPolicy, name: str = NAME, login: Login | None = None) -> Any:
        """A session that begins, or a failure."""
        host = Host(name, ("192.0.2.1",), 2525, tls)
        destination = Destination("there.example", (host,), login)
        return world.run(self.dialer(world, world.runtime).connect(destination, host, "192.0.2.1"))


class Dialing(DialingTestCase):
    """Dialer"""

    def test_session(self) -> None:
        """At the right place, with the name of this host."""
        world = self.world(FakeServer())
        client = self.successResultOf(self.dial(world, CLEAR))
        self.assertEqual((client.peer.name, client.usable), (NAME, True))
        self.assertEqual((self.called, world.server.lines), ([("192.0.2.1", 2525)], [b"EHLO here.example"]))

    def test_password(self) -> None:
        """It is what the file holds at the moment, without its line end."""
        offer = b"250-there.example\r\n250 AUTH PLAIN\r\n"
        for content, client_knows_it in ((b"secret\n", True), (b"other\r\n", False)):
            self.files.replace(self.password_file, content)
            world = self.world(FakeServer(EHLO=offer, AUTH=b"235 Ok\r\n"))
            world.address = "127.0.0.1"
            self.successResultOf(self.dial(world, CLEAR, login=Login("anna", self.password_file)))
            self.assertEqual(PLAIN in world.server.lines, client_knows_it)

    def test_certificate(self) -> None:
        """What a route shows is in its files at the moment; where that is no certificate mail waits."""
        shown: list[Any] = []
        paths = [os.path.join(os.path.dirname(self.password_file), name) for name in ("cert.pem", "key.pem")]
        login = Login(certificate=paths[0], key=paths[1])

        def make(*what: str) -> Any:
            shown.append(what)
            return make_client_context(*what)

        self.patch(dialing, "make_client_context", make)
        dialed = self.dial(self.world(FakeServer()), CLEAR, login=login)
        verdict = self.failureResultOf(dialed, NotConnected).value.verdict
        self.assertEqual((verdict.result, verdict.status), (Result.TEMPORARY, "4.3.5"))
        self.assertEqual(self.called, [])
        write_certificates(
            os.path.dirname(paths[0]), "here.example", self.files, datetime(2026, 1, 1, tzinfo=UTC)
        )
        client = self.successResultOf(self.dial(self.world(FakeServer()), CLEAR, login=login))
        self.assertTrue(client.usable)
        self.assertEqual(shown[-1], tuple(map(os.path.realpath, paths)))

    def test_no_password(self) -> None:
        """A file that is not there, or holds no text: nobody is called, and the mail waits."""
        self.files.replace(self.password_file, b"\xff")
        for path in (self.password_file, self.password_file + "-not"):
            world = self.world(FakeServer())
            dialed = self.dial(world, CLEAR, login=Login("anna", path))
            verdict = self.failureResultOf(dialed, NotConnected).value.verdict
            self.assertEqual((verdict.result, verdict.status), (Result.TEMPORARY, "4.3.5"))
            self.assertNotIn(path, verdict.text)
        self.assertEqual(self.called, [])

    def test_counted(self) -> None:
        """RFC 8460 section 4.3: how TLS went; nothing of our own routes, or where it was not tried."""
        none, enforced, testing = (
            without_policy("there.example"),
            of_sts("there.example", NAME, ENFORCE),
            of_sts("there.example", NAME, TESTING),
        )
        offer: dict[str, bytes] = {"EHLO": OFFER}
        rows: tuple[tuple[TlsPolicy, dict[str, bytes], list[str]], ...] = (
            (none, offer, [""]),
            (none, {}, [NOT_OFFERED]),
            (none, {"greeting": CUT}, []),
            (none, {"greeting": b"554 No\r\n"}, []),
            (enforced, offer, [""]),
            (enforced, {}, [NOT_OFFERED]),
            (testing, offer, [HOST_MISMATCH]),
            (of_route(Relay(NAME)), offer, []),
        )
        for policy, replies, results in rows:
            self.counted.clear()
            dialed = self.dial(self.tls_world(FakeServer(**replies)), policy)
            dialed.addErrback(lambda failure: failure.trap(NotConnected))
            published = policy.published
            found = [(one.published, one.host, one.address, one.result) for one in self.counted]
            self.assertEqual(
                found, [(published, NAME, "192.0.2.1", one) for one in results], (policy, replies)
            )


class Whole(DialingTestCase):
    """From an entry of the queue to another host and back."""

    def courier(self, world: Any, runtime: Runtime, zone: Zone) -> RemoteCourier:
        """Everything in place."""
        self.events: list[Event] = []
        bus = Bus()
        bus.subscribe(self.events.append)
        destinations = Destinations(self.live, runtime, zone, NoPolicies(), ours=lambda _: False)
        self.connections = Connections(runtime, self.dialer(world, runtime).connect, lambda: 5)
        return RemoteCourier(runtime.clock, destinations, self.connections, bus)

    def carry(self, courier: RemoteCourier, *people: Recipient, text: bytes = b"") -> Any:
        """One try, to be run."""
        message = letter(*people, text=text, cut=1000, body=Body.EIGHT_BIT)
        entry = new_entry("M", message.envelope, came=0, due=0)

        async def content() -> AsyncGenerator[bytes, None]:
            async for piece in message.content():
                yield piece

        return courier.carry(entry, range(len(people)), content, len(text))

    def test_by_dns(self) -> None:
        """The first host is away, the second takes it; the next message goes over the same connection."""
        server = FakeServer()
        world = self.world(FakeServer(greeting=CUT), server)
        zone = Zone(
            {
                ("there.example", "MX"): ["10 one.example.", "20 two.example."],
                ("one.example", "A"): ["9.0.0.1"],
                ("two.example", "A"): ["9.0.0.2"],
            }
        )
        courier = self.courier(world, world.runtime, zone)
        for count in (1, 2):
            found = self.successResultOf(
                world.run(self.carry(courier, ANNA, text=b"Subject: a\r\n\r\n.x\r\n"))
            )
            self.assertEqual((found[0].fate, found[0].status), (Fate.RELAYED, "2.0.0"))
            self.assertEqual(server.contents, [b"Subject: a\r\n\r\n.x\r\n"] * count)
        self.assertEqual(self.called, [("9.0.0.1", 25), ("9.0.0.2", 25)])
        self.assertEqual([type(event) for event in self.events], [Relayed, Relayed])
        self.successResultOf(world.run(self.connections.close()))
        self.assertEqual(server.lines[-1], b"QUIT")

    def test_by_route(self) -> None:
        """A route, and a reply that says no to one of two; the words of the host come back."""
        self.live.config = Config(hostname="here.example", routes={"there.example": Relay("192.0.2.7", 2525)})
        world = self.world(FakeServer(RCPT=[b"250 Ok\r\n", b"550 5.1.1 Nobody\r\n"]))
        courier = self.courier(world, world.runtime, Zone({}))
        other = Recipient(parse_address("x@there.example"))
        found = self.successResultOf(world.run(self.carry(courier, ANNA, other, text=b"A: b\r\n\r\n")))
        self.assertEqual([found[number].fate for number in (0, 1)], [Fate.RELAYED, Fate.FAILED])
        self.assertEqual(found[1].diagnostic, "smtp; 550 5.1.1 Nobody")
        self.assertEqual(self.called, [("192.0.2.7", 2525)])

    def test_to_ourselves(self) -> None:
        """A server of our own at the other end: what arrives is what was sent."""
        server = OwnWorld("smtp")
        self.patch(twisted_tls, "_get_default_clock", lambda: server.clock)
        own = Own(server)
        runtime = Runtime(
            server.clock, self.world(FakeServer()).runtime.random, self.worlds[0].runtime.blocking
        )
        self.live.config = Config(hostname="here.example", routes={"*": Relay("127.0.0.1")})
        courier = self.courier(cast(Any, own), runtime, Zone({}))
        people = [Recipient(parse_address(one)) for one in ("anna@local.example", "nobody@local.example")]
        text = b"Subject: a\r\n\r\n" + b".\r\n..\r\n\xe4\r\n" * 1000
        found = self.successResultOf(own.run(self.carry(courier, *people, text=text)))
        self.assertEqual([found[number].fate for number in (0, 1)], [Fate.RELAYED, Fate.FAILED])
        (delivery,) = server.courier.delivered
        self.assertTrue(delivery.content.endswith(text))
        self.successResultOf(own.run(self.connections.close()))
        server.lose()
        self.assertEqual(server.clock.getDelayedCalls(), [])


class NoPolicies:
    """Nobody has an MTA-STS policy."""

    async def policy(self, domain: str) -> None:
        """None."""
