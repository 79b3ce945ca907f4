"""Listeners behind a proxy: whose connection it is, and who may say so."""

from OpenSSL import SSL
from twisted.internet.address import IPv4Address, UNIXAddress

from mailnode.net.listen import UNKNOWN, Connection, SessionFactory
from mailnode.net.proxy import PATIENCE
from mailnode.wire.proxy import SIGNATURE
from tests.net.memory import MemoryTransport, TlsPeer
from tests.net.test_listen import ListenTestCase

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.2 56324 25\r\n"
FROM_LOOPBACK = b"PROXY TCP4 127.0.0.1 127.0.0.2 1 2\r\n"
BLOCK = SIGNATURE + b"\x21\x11\x00\x0c" + b"\xc0\x00\x02\x07\xc6\x33\x64\x02\xdc\x04\x00\x19"
HEALTH = SIGNATURE + b"\x20\x00\x00\x00"

# header, the proxy: peer, local, trusted, loopback
FACTS = (
    (LINE, "127.0.0.1", ("192.0.2.7", "198.51.100.2", False, False)),
    (LINE, "10.1.2.3", ("192.0.2.7", "198.51.100.2", False, False)),
    (BLOCK, "127.0.0.1", ("192.0.2.7", "198.51.100.2", False, False)),
    (FROM_LOOPBACK, "127.0.0.1", ("127.0.0.1", "127.0.0.2", True, True)),
    (FROM_LOOPBACK, "10.1.2.3", ("127.0.0.1", "127.0.0.2", True, False)),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1", (UNKNOWN, "", False, False)),
    (HEALTH, "127.0.0.1", ("127.0.0.1", "10.9.9.9", True, True)),
    (HEALTH, "10.1.2.3", ("10.1.2.3", "10.9.9.9", False, False)),
)
NO_HEADERS = (
    b"EHLO client.example\r\n",
    b"PROXY TCP4 nonsense\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\nEHLO x\r\n",
    b"PROXY UNKNOWN " + b"x" * 200,
    SIGNATURE + b"\x21\x11\x00\x00",
    SIGNATURE + b"\x41\x11\x00\x0c" + b"x" * 12,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
)


class BehindProxy(ListenTestCase):
    """`proxy = true`"""

    def arrive(self, factory: SessionFactory, host: str = "127.0.0.1") -> MemoryTransport:
        """A connection from a proxy, or from who would be one."""
        here = IPv4Address("TCP", "10.9.9.9", 143)
        transport = MemoryTransport(hostAddress=here, peerAddress=IPv4Address("TCP", host, 4711))
        return self.begin(factory, transport)

    def begin(self, factory: SessionFactory, transport: MemoryTransport) -> MemoryTransport:
        """Its first moment."""
        transport.protocol = factory.buildProtocol(None)
        transport.protocol.makeConnection(transport)
        return transport

    def facts(self, connection: Connection) -> tuple[str, str, bool, bool]:
        """What a session sees."""
        return connection.peer, connection.local, connection.trusted, connection.loopback

    def test_facts(self) -> None:
        """The header says whose the connection is, however it is cut; what follows is for the session."""
        for header, proxy, facts in FACTS:
            for step in (1, 5, 1000):
                factory = self.factory(proxy=True)
                transport = self.arrive(factory, proxy)
                octets = header + b"early\r\n"
                for start in range(0, len(octets), step):
                    transport.protocol.dataReceived(octets[start : start + step])
                self.assertEqual(self.facts(self.seen.pop()), facts, header)
                self.assertEqual(transport.value(), b"hello\r\nearly\r\n")
                transport.protocol.dataReceived(b"quit\r\n")
                self.assertFalse(transport.connected)

    def test_log(self) -> None:
        """The log names the peer, and the proxy that told of it."""
        transport = self.arrive(self.factory(proxy=True))
        transport.protocol.dataReceived(LINE + b"quit\r\n")
        lines = [event["line"] for event in self.events if "line" in event]
        self.assertRegex(lines[0], "^connected connection=.* peer=192.0.2.7 .* proxy=127.0.0.1$")

    def test_unix_socket(self) -> None:
        """Who may open a UNIX socket may say for whom, and is believed."""
        transport = MemoryTransport(hostAddress=UNIXAddress(b"/s"), peerAddress=UNIXAddress(b""))
        self.begin(self.factory(proxy=True), transport)
        transport.protocol.dataReceived(LINE + b"quit\r\n")
        self.assertEqual(self.facts(self.seen[0]), ("192.0.2.7", "198.51.100.2", False, False))

    def test_strangers(self) -> None:
        """Who is no proxy is closed unheard, with one line in the log and no place in the counts."""
        factory = self.factory(proxy=True)
        for _ in range(9):
            transport = self.arrive(factory, "192.0.2.99")
            self.assertFalse(transport.connected)
            self.assertEqual(transport.value(), b"")
        self.assertEqual(self.seen, [])
        lines = [event["line"] for event in self.events if "line" in event]
        self.assertEqual(len(lines), 9)
        self.assertIn('peer=192.0.2.99 listener=tcp:143 reason="not in proxy_networks"', lines[0])

    def test_no_header(self) -> None:
        """A proxy that sends anything but a header is closed without a word."""
        for octets in NO_HEADERS:
            transport = self.arrive(self.factory(proxy=True))
            transport.protocol.dataReceived(octets)
            self.assertFalse(transport.connected, octets)
            self.assertEqual(transport.value(), b"")
        self.assertEqual(self.seen, [])

    def test_late(self) -> None:
        """The whole header has its five seconds, not each octet of it."""
        for header in (LINE, BLOCK):
            factory = self.factory(proxy=True)
            transport = self.arrive(factory)
            for index in range(int(PATIENCE)):
                self.assertTrue(transport.connected)
                transport.protocol.dataReceived(header[index * 4 : index * 4 + 4])
                self.clock.advance(1)
            self.assertFalse(transport.connected)
            self.assertEqual(factory.sessions(), [])

    def test_lost(self) -> None:
        """A proxy that goes away, or a server that stops, ends what has not begun."""
        factory = self.factory(proxy=True)
        self.arrive(factory).loseConnection()
        self.assertEqual(factory.sessions(), [])
        for end in (lambda: factory.dismiss(b"stopping"), factory.close_all):
            waiting = self.arrive(factory)
            factory.dismiss(b"changed", {"anna"})
            self.assertTrue(waiting.connected)
            end()
            self.assertFalse(waiting.connected)
            self.assertEqual((waiting.value(), factory.sessions()), (b"", []))

    def test_admission(self) -> None:
        """Counted is the peer that is named, once it is named; the proxy takes no place."""
        factory = self.factory(proxy=True, sessions=2)
        transports = [self.arrive(factory) for _ in range(9)]
        for transport in transports[:3]:
            transport.protocol.dataReceived(LINE)
        self.assertEqual([one.connected for one in transports[:4]], [True, True, False, True])
        self.assertEqual(transports[2].value(), b"* BYE Too many connections, try again later\r\n")
        transports[0].protocol.dataReceived(b"quit\r\n")
        transports[3].protocol.dataReceived(LINE)
        self.assertEqual(transports[3].value(), b"hello\r\n")
        factory.dismiss(b"stopping")

    def test_tls(self) -> None:
        """The header comes before the handshake, also in one piece with its beginning."""
        for header in (LINE, BLOCK):
            transport = self.arrive(self.factory(proxy=True, tls=True))
            peer = TlsPeer(transport)
            self.assertRaises(SSL.WantReadError, peer.connection.do_handshake)
            transport.protocol.dataReceived(header + peer.connection.bio_read(65536))
            peer.handshake()
            self.clock.advance(0)
            self.assertEqual(peer.receive(), b"hello\r\n")
            self.assertEqual(self.facts(self.seen.pop())[0], "192.0.2.7")
            transport.abortConnection()

    def test_text_before_tls(self) -> None:
        """What follows the header on a TLS port is for the handshake, and fails it where it is text."""
        transport = self.arrive(self.factory(proxy=True, tls=True))
        transport.protocol.dataReceived(LINE + b"a NOOP\r\n")
        self.assertNotIn(b"hello", transport.value())
        self.assertFalse(transport.connected)
        self.flushLoggedErrors(SSL.Error)
