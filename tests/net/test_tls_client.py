"""TLS to a server: who insists sends nothing to the wrong one (vector T9)."""

import contextlib
from collections.abc import Sequence

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mailnode.net.tls import TlsClient, WrongServer
from tests.net.authority import issue

SERVER = issue("mx.example", hosts=["mx.example"])


@implementer(IHandshakeListener)
class Eager(Protocol):
    """Sends at once, before the handshake and after it."""

    def __init__(self) -> None:
        self.shaken = 0
        self.lost: Failure | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"early ")

    def handshakeCompleted(self) -> None:
        assert self.transport is not None
        self.shaken += 1
        self.transport.write(b"late ")

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost = reason


class Transport(StringTransportWithDisconnection):
    """One that ends as TCP does: a moment later, and after an abort nothing more goes out."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.aborted = False

    def write(self, data: bytes) -> None:
        if not self.aborted:
            super().write(data)

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def loseConnection(self) -> None:
        self.clock.callLater(0, self.lose)

    def lose(self) -> None:
        if self.connected:
            super().loseConnection()


class Meeting:
    """A client of Twisted's and a server of OpenSSL's; `heard` is what came through to the server."""

    def __init__(self, client: TlsClient, version: int = SSL.TLS1_3_VERSION) -> None:
        clock = Clock()
        self.client = Eager()
        factory = TLSMemoryBIOFactory(client, True, Factory.forProtocol(lambda: self.client), clock)
        protocol = factory.buildProtocol(None)
        assert protocol is not None
        transport = Transport(clock)
        transport.protocol = protocol
        self.heard, self.name = b"", b""
        context = SERVER.server_context()
        context.set_max_proto_version(version)
        context.set_tlsext_servername_callback(self._named)
        server = SSL.Connection(context, None)
        server.set_accept_state()
        protocol.makeConnection(transport)
        for _ in range(6):
            clock.advance(1)
            if data := transport.value():
                transport.clear()
                server.bio_write(data)
            self._serve(server)
            with contextlib.suppress(SSL.Error):
                if (data := server.bio_read(65536)) and not transport.aborted:
                    protocol.dataReceived(data)

    def _named(self, connection: SSL.Connection) -> None:
        self.name = connection.get_servername() or b""

    def _serve(self, server: SSL.Connection) -> None:
        try:
            server.do_handshake()
            while True:
                self.heard += server.recv(65536)
        except SSL.Error:
            pass


class ClientTests(SynchronousTestCase):
    """TlsClient"""

    def test_good(self) -> None:
        """What the server showed is examined once, and then octets go out."""
        seen: list[int] = []

        def examine(chain: Sequence[X509]) -> str:
            seen.append(len(chain))
            return ""

        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            client = TlsClient("mx.example", examine, strict=True)
            self.assertIsNone(client.problem)
            meeting = Meeting(client, version)
            self.assertEqual((client.problem, meeting.heard), ("", b"early late "))
            self.assertEqual((meeting.name, meeting.client.shaken), (b"mx.example", 1))
        self.assertEqual(seen, [1, 1])

    def test_wrong_server(self) -> None:
        """With strict the connection is cut off and says why; the server hears nothing (T9)."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            client = TlsClient("mx.example", lambda chain: "wrong", strict=True)
            meeting = Meeting(client, version)
            self.assertEqual((client.problem, meeting.heard), ("wrong", b""))
            assert meeting.client.lost is not None
            self.assertEqual(meeting.client.lost.type, WrongServer)

    def test_only_counting(self) -> None:
        """Without strict the problem is known, and octets go out."""
        client = TlsClient("mx.example", lambda chain: "wrong")
        self.assertEqual(Meeting(client).heard, b"early late ")
        self.assertEqual(client.problem, "wrong")

    def test_bug_while_examining(self) -> None:
        """What cannot be examined proves nothing."""

        def examine(chain: Sequence[X509]) -> str:
            raise RuntimeError

        client = TlsClient("mx.example", examine, strict=True)
        self.assertEqual(Meeting(client).heard, b"")
        self.assertEqual(client.problem, "validation-failure")

    def test_addresses_are_no_names(self) -> None:
        """A server that has an address only is not named to itself (RFC 6066 section 3)."""
        for name in ("192.0.2.1", "2001:db8::1", "[192.0.2.1]"):
            self.assertEqual(Meeting(TlsClient(name)).name, b"", name)

    def test_old_versions(self) -> None:
        """There is no TLS below 1.2."""
        self.assertEqual(Meeting(TlsClient("x.example"), SSL.TLS1_1_VERSION).heard, b"")
