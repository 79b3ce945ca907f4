"""mailnode.web.exchange: requests and responses over memory."""

import random
from ipaddress import ip_network

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config import Listener
from mailnode.events.log import Log
from mailnode.net.blocking import InlineExecutor
from mailnode.net.breath import Breather
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Door, SessionFactory
from mailnode.net.stream import LINGER
from mailnode.net.young import Young
from mailnode.runtime import Runtime
from mailnode.web.exchange import LIMIT, SECONDS, Web
from mailnode.web.pages import Answer, Asked, Route
from tests.net.memory import MemoryTransport

GET = b"GET /page?a=1&b=%C3%A4&a=2 HTTP/1.1\r\nHost: Example.test:80\r\n\r\n"


class WebTestCase(SynchronousTestCase):
    """A listener with two pages; `asked` is what came to them."""

    trusted_only = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[Asked] = []

        async def page(asked: Asked) -> Answer:
            self.asked.append(asked)
            return Answer(b"here\n")

        async def broken(_: Asked) -> Answer:
            raise ValueError("/secret/path")

        routes = {"/page": Route(page), "/post": Route(page, ("POST",)), "/broken": Route(broken)}
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.factory = SessionFactory(
            Door(
                listener=Listener("http", "tcp:80", "none"),
                runtime=runtime,
                breather=Breather(self.clock),
                young=Young(self.clock),
                gate=Gate(lambda: ConnectionLimits(99, 999, 99, 99, 99), self.clock.seconds),
                serve=Web(runtime, routes, trusted_only=self.trusted_only).serve,
                sent_away=b"",
                tls=None,
                trusted_networks=lambda: (ip_network("127.0.0.0/8"),),
                proxy_networks=lambda: (),
                handshake_timeout=lambda: 15.0,
                write_timeout=lambda: 300.0,
                log=Log("test"),
            )
        )

    def connect(self, host: str = "192.0.2.7") -> MemoryTransport:
        """A connection over memory."""
        transport = MemoryTransport(peerAddress=IPv4Address("TCP", host, 4711))
        transport.protocol = self.factory.buildProtocol(None)
        transport.protocol.makeConnection(transport)
        return transport

    def ask(self, *pieces: bytes, host: str = "192.0.2.7") -> bytes:
        """All that is answered to what comes in these pieces."""
        transport = self.connect(host)
        for piece in pieces:
            transport.deliver(piece)
        written: bytes = transport.value()
        if transport.connected:
            transport.abortConnection()
        return written

    def status(self, *pieces: bytes, host: str = "192.0.2.7") -> bytes:
        """The status of the answer."""
        return self.ask(*pieces, host=host).partition(b"\r\n")[0]

    def tearDown(self) -> None:
        self.assertEqual(self.factory.sessions(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ExchangeTests(WebTestCase):
    """One request on a connection."""

    def test_answer(self) -> None:
        """The page gets method, path, query and host; the answer is whole, and the connection ends."""
        transport = self.connect()
        transport.deliver(GET)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.assertEqual((head.splitlines()[0], body), (b"HTTP/1.1 200 OK", b"here\n"))
        for field in (b"Content-Length: 5", b"Connection: close", b"Date: Thu, 01 Jan 1970 00:00:00 GMT"):
            self.assertIn(field, head.splitlines())
        self.assertFalse(transport.connected)
        self.assertEqual(self.asked, [Asked("GET", "/page", {"a": "1", "b": "\u00e4"}, "example.test")])

    def test_any_split(self) -> None:
        """How the octets come makes no difference."""
        whole = self.ask(GET)
        self.assertEqual(self.ask(*(bytes([one]) for one in GET)), whole)

    def test_second_request(self) -> None:
        """What comes behind a request is not read."""
        self.assertEqual(self.ask(GET + GET).count(b"HTTP/1.1 200"), 1)
        self.assertEqual(len(self.asked), 1)

    def test_head(self) -> None:
        """HEAD gets the header only."""
        head, _, body = self.ask(GET.replace(b"GET", b"HEAD")).partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: 5", head)
        self.assertEqual(body, b"")

    def test_body(self) -> None:
        """A body comes with its length, or in chunks."""
        start = b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        self.ask(start + b"Content-Length: 7\r\n\r\na=1", b"&b=2")
        self.ask(start + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n", b"4\r\n&b=2\r\n0\r\n\r\n")
        self.assertEqual([one.body for one in self.asked], [b"a=1&b=2"] * 2)

    def test_refusals(self) -> None:
        """What is unknown, not allowed, broken or no HTTP is answered so; no inside of a failure is told."""
        for request, status in (
            (b"GET /other HTTP/1.1\r\n\r\n", b"404 Not Found"),
            (b"GET /PAGE HTTP/1.1\r\n\r\n", b"200 OK"),
            (b"GET /page/../page HTTP/1.1\r\n\r\n", b"404 Not Found"),
            (b"POST /page HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405 Method Not Allowed"),
            (b"get /page HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
            (b"TRACE /page HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
            (b"EHLO there\r\n\r\n", b"400 Bad Request"),
            (b"GET /page HTTP/1.1\r\nno field\r\n\r\n", b"400 Bad Request"),
            (b"POST /post HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400 Bad Request"),
            (
                b"POST /post HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"400 Bad Request",
            ),
        ):
            self.assertEqual(self.status(request), b"HTTP/1.1 " + status, request)
        self.assertNotIn(b"secret", self.ask(b"GET /broken HTTP/1.1\r\n\r\n"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_too_large(self) -> None:
        """A header or a body that is too large is refused as soon as that is known."""
        field = b"X-A: " + b"a" * 1000 + b"\r\n"
        self.assertEqual(self.status(b"GET /page HTTP/1.1\r\n" + field * 20), b"HTTP/1.1 400 Bad Request")
        start = b"POST /post HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"
        self.assertEqual(self.status(start, b"x" * LIMIT), b"HTTP/1.1 413 Content Too Large")
        start = b"POST /post HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
        self.assertEqual(self.status(start, *[chunk] * 16), b"HTTP/1.1 413 Content Too Large")
        self.assertEqual(self.ask(b"GET " + b"/" * 20_000), b"")
        self.assertEqual(self.asked, [])

    def test_slow(self) -> None:
        """The whole request has its time; a few octets now and then win none."""
        transport = self.connect()
        for octet in GET[:10]:
            transport.deliver(bytes([octet]))
            self.clock.advance(SECONDS / 10 - 0.01)
        self.assertTrue(transport.connected)
        self.clock.advance(0.2)
        self.assertFalse(transport.connected)
        self.clock.advance(LINGER)

    def test_lost(self) -> None:
        """A peer that goes away leaves nothing behind."""
        transport = self.connect()
        transport.deliver(GET[:20])
        transport.abortConnection()

    @given(st.lists(st.binary(max_size=60) | st.sampled_from((GET, b"\r\n", b"\r\n\r\n", b": ")), max_size=6))
    @example([b"GET /page?%zz=%&=;& HTTP/1.1\r\n\r\n"])
    @example([b"GET /page HTTP/1.1\r\nHost:\r\n\r\n"])
    @example([b"POST /post HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"])
    @settings(deadline=None, max_examples=60)
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever comes, nothing breaks."""
        self.ask(*pieces)
        self.assertEqual(self.flushLoggedErrors(), [])


class TrustedOnly(WebTestCase):
    """A listener for trusted networks."""

    trusted_only = True

    def test_strangers(self) -> None:
        """They are told so, whatever they ask for."""
        self.assertEqual(self.status(GET), b"HTTP/1.1 403 Forbidden")
        self.assertEqual(self.status(b"GET /other HTTP/1.1\r\n\r\n"), b"HTTP/1.1 403 Forbidden")
        self.assertEqual(self.status(GET, host="127.0.0.1"), b"HTTP/1.1 200 OK")
        self.assertEqual(len(self.asked), 1)
