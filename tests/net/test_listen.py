"""From accepted socket to session, over memory transports and real TLS."""

import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_network

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.protocols import tls
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.config import Listener
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.breath import Breather
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection, Door, SessionFactory, plain_address
from mailnode.net.stream import LINGER, TimedOut
from mailnode.net.tls import TlsError, TlsServer, make_context
from mailnode.net.young import Young
from mailnode.runtime import Runtime
from tests.net.memory import MemoryTransport, TlsPeer


async def echo(connection: Connection) -> None:
    """A session that says hello and gives each line back."""
    connection.stream.write(b"hello\r\n")
    while (line := await connection.stream.line(100)) != b"quit":
        connection.stream.write(line + b"\r\n")
        await connection.stream.drain()


class ListenTestCase(SynchronousTestCase):
    """A factory with a session of choice."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.patch(tls, "_get_default_clock", lambda: self.clock)  # its timer gathers small writes
        self.seen: list[Connection] = []
        self.events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def factory(
        self,
        serve: Callable[[Connection], Awaitable[None]] = echo,
        *,
        sessions: int = 2,
        tls: bool = False,
        proxy: bool = False,
    ) -> SessionFactory:
        """A factory; sessions are noted in self.seen."""

        async def noting(connection: Connection) -> None:
            self.seen.append(connection)
            await serve(connection)

        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        door = Door(
            listener=Listener("imap", "tcp:143", "implicit" if tls else "none", proxy),
            runtime=runtime,
            breather=Breather(self.clock),
            young=Young(self.clock),
            gate=Gate(lambda: ConnectionLimits(9, 99, 99, sessions, 9), self.clock.seconds),
            serve=noting,
            sent_away=b"* BYE ",
            tls=self.tls_server() if tls else None,
            trusted_networks=lambda: (ip_network("127.0.0.0/8"),),
            proxy_networks=lambda: (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")),
            handshake_timeout=lambda: 15.0,
            write_timeout=lambda: 300.0,
            log=Log("test"),
        )
        return SessionFactory(door)

    def tls_server(self) -> TlsServer:
        """A server with a fresh certificate."""
        directory = tempfile.mkdtemp()
        tls = write_certificates(
            directory, "mail.example.org", FileSystem(), datetime(2026, 1, 1, tzinfo=UTC)
        )
        return TlsServer(make_context(tls.certificate, tls.key))

    def connect(self, factory: SessionFactory, host: str = "192.0.2.7") -> MemoryTransport:
        """A connection over memory."""
        transport = MemoryTransport(peerAddress=IPv4Address("TCP", host, 4711))
        stream = factory.buildProtocol(None)
        transport.protocol = stream
        stream.makeConnection(transport)
        return transport

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SessionTests(ListenTestCase):
    """The life of a connection."""

    def test_facts(self) -> None:
        """The session is told who the peer is, and an id that is in every line of the log."""
        factory = self.factory()
        self.connect(factory).protocol.dataReceived(b"quit\r\n")
        self.connect(factory, "127.0.0.1").protocol.dataReceived(b"quit\r\n")
        stranger, local = self.seen
        self.assertEqual((stranger.peer, stranger.trusted, stranger.loopback), ("192.0.2.7", False, False))
        self.assertEqual((local.peer, local.trusted, local.loopback), ("127.0.0.1", True, True))
        self.assertNotEqual(stranger.id, local.id)
        lines = [event["line"] for event in self.events]
        self.assertEqual(sum(f"connection={stranger.id}" in line for line in lines), 2)
        self.assertEqual(factory.sessions(), [])
        self.assertEqual(factory.open, {})

    def test_socket_for_both_kinds(self) -> None:
        """On a socket for IPv6 and IPv4, as systemd opens them, an IPv4 peer has its own address."""
        factory = self.factory(sessions=3)
        for host in ("::ffff:192.0.2.7", "2001:db8::7", "fe80::7%eth0"):
            self.connect(factory, host).protocol.dataReceived(b"quit\r\n")
        self.assertEqual([one.peer for one in self.seen], ["192.0.2.7", "2001:db8::7", "fe80::7%eth0"])

    def test_one_too_many(self) -> None:
        """The connection above the limit reads why and is closed; a place that is left can be taken."""
        factory = self.factory(sessions=1)
        first = self.connect(factory)
        second = self.connect(factory)
        self.assertEqual(second.value(), b"* BYE Too many connections, try again later\r\n")
        self.assertFalse(second.connected)
        first.protocol.dataReceived(b"quit\r\n")
        self.assertEqual(self.connect(factory).value(), b"hello\r\n")
        factory.dismiss(b"stopping")

    def test_lost_connection(self) -> None:
        """A peer that goes away ends the session and gives its place back."""
        factory = self.factory(sessions=1)
        self.connect(factory).loseConnection()
        waiting = self.connect(factory)
        factory.dismiss(b"stopping")
        self.assertEqual(waiting.value(), b"hello\r\n* BYE stopping\r\n")
        self.assertEqual(factory.sessions(), [])

    def test_some_people(self) -> None:
        """Only the people named are sent away; who has not logged in is nobody."""
        factory = self.factory(sessions=3)
        anna, ben, nobody = (self.connect(factory) for _ in range(3))
        self.seen[0].admission.authenticated("anna")
        self.seen[1].admission.authenticated("ben")
        factory.dismiss(b"log in again", {"anna"})
        self.assertEqual(anna.value(), b"hello\r\n* BYE log in again\r\n")
        self.assertEqual((ben.value(), nobody.value()), (b"hello\r\n", b"hello\r\n"))
        self.assertEqual([one.admission.person for one in factory.open.values()], ["ben", ""])
        factory.dismiss(b"stopping")

    def test_stopping_does_not_interrupt(self) -> None:
        """A session that works is waited for, and its peer reads the reply; close_all() waits no more."""
        works: list[Deferred[None]] = []

        async def working(connection: Connection) -> None:
            works.append(Deferred())
            await works[-1]
            connection.stream.write(b"250 done\r\n")
            await connection.stream.line(100)

        factory = self.factory(working)
        patient, late = self.connect(factory), self.connect(factory)
        factory.dismiss(b"stopping")
        self.assertEqual((patient.connected, len(factory.sessions())), (True, 2))
        works[0].callback(None)
        self.assertEqual(patient.value(), b"250 done\r\n* BYE stopping\r\n")
        self.assertEqual((patient.connected, len(factory.sessions())), (False, 1))
        factory.close_all()
        self.assertFalse(late.connected)
        works[1].callback(None)
        self.assertEqual(factory.sessions(), [])

    def test_a_bug(self) -> None:
        """An exception nobody expected closes its own connection and is logged with its traceback."""

        async def broken(connection: Connection) -> None:
            raise ZeroDivisionError

        transport = self.connect(self.factory(broken))
        self.assertFalse(transport.connected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_time_out(self) -> None:
        """A time-out that a session does not catch is one line in the log."""

        async def late(connection: Connection) -> None:
            raise TimedOut

        self.connect(self.factory(late))
        self.assertIn("timed out", self.events[-1]["line"])

    def test_addresses(self) -> None:
        """Mapped addresses count as IPv4; a scope is no part of an address."""
        self.assertEqual(str(plain_address("::ffff:127.0.0.1")), "127.0.0.1")
        self.assertEqual(str(plain_address("fe80::1%eth0")), "fe80::1")
        self.assertIsNone(plain_address("/run/socket"))


class TlsTests(ListenTestCase):
    """Implicit TLS, with real OpenSSL on both sides."""

    def test_greeting_comes_inside(self) -> None:
        """Nothing is said before the handshake; the session then runs inside TLS."""
        transport = self.connect(self.factory(tls=True))
        self.assertEqual(transport.value(), b"")
        peer = TlsPeer(transport)
        peer.handshake()
        self.clock.advance(0)
        self.assertEqual(peer.receive(), b"hello\r\n")
        self.assertTrue(self.seen[0].stream.secure)
        self.assertTrue(self.seen[0].stream.tls_version().startswith("TLSv1."))
        peer.send(b"quit\r\n")
        self.clock.advance(0)
        transport.abortConnection()

    def test_silent_end(self) -> None:
        """A peer that never answers the TLS close keeps its place, and a descriptor, until it is cut off."""
        factory = self.factory(tls=True, sessions=1)
        first = self.connect(factory)
        peer = TlsPeer(first)
        peer.handshake()
        self.clock.advance(0)
        peer.send(b"quit\r\n")
        self.clock.advance(0)
        self.assertEqual(factory.sessions(), [])
        self.assertTrue(first.connected)
        self.assertFalse(self.connect(factory).connected)
        self.clock.advance(LINGER)
        self.assertFalse(first.connected)
        again = self.connect(factory)
        self.assertTrue(again.connected)
        again.abortConnection()

    def test_slow_handshake(self) -> None:
        """A handshake that does not come to its end is cut off after its time (T14)."""
        transport = self.connect(self.factory(tls=True))
        self.clock.advance(16)
        self.assertFalse(transport.connected)

    def test_dripping_handshake(self) -> None:
        """It is one time for the whole handshake, not for each octet of it (T14)."""
        transport = self.connect(self.factory(tls=True))
        peer = TlsPeer(transport)
        self.assertRaises(SSL.WantReadError, peer.connection.do_handshake)
        for octet in peer.connection.bio_read(65536)[:15]:
            self.assertTrue(transport.connected)
            transport.protocol.dataReceived(bytes([octet]))
            self.clock.advance(1)
        self.assertFalse(transport.connected)

    def test_no_handshake_at_all(self) -> None:
        """Plain text on a TLS port closes the connection, without a word in clear (T13)."""
        transport = self.connect(self.factory(tls=True))
        transport.protocol.dataReceived(b"a NOOP\r\n")
        self.assertNotIn(b"hello", transport.value())
        self.assertFalse(transport.connected)
        self.flushLoggedErrors(SSL.Error)


class ContextTests(SynchronousTestCase):
    """Certificates that cannot be used."""

    def test_mistakes(self) -> None:
        """A missing, broken or foreign file is named, with the reason."""
        first, second = tempfile.mkdtemp(), tempfile.mkdtemp()
        when = datetime(2026, 1, 1, tzinfo=UTC)
        one = write_certificates(first, "a.example.org", FileSystem(), when)
        two = write_certificates(second, "b.example.org", FileSystem(), when)
        broken = os.path.join(first, "broken.pem")
        with open(broken, "w") as file:
            file.write("no PEM")
        for certificate, key, text in (
            (broken, one.key, "certificate"),
            (one.certificate, broken, "key"),
            (first + "/none.pem", one.key, "no such file"),
            (one.certificate, two.key, "does not belong"),
        ):
            with self.assertRaises(TlsError) as caught:
                make_context(certificate, key)
            self.assertIn(text, str(caught.exception))
