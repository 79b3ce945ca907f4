"""Fetching a text by HTTPS, over loopback, from hosts that are rude (vector N4)."""

import random
from typing import Any

from OpenSSL.crypto import X509, X509Store
from twisted.internet import reactor  # noqa: TID251
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailnode.net.blocking import InlineExecutor
from mailnode.net.https import SECONDS, FetchFailed, Https
from mailnode.net.tls import TlsServer
from mailnode.runtime import Runtime
from tests.net.authority import NOW, issue
from tests.net.zone import Zone

ROOT = issue("root", authority=True)
HOST = issue("host", ROOT, hosts=["mta-sts.a.example"])
TEXT = b"version: STSv1\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
LIMIT = 1000


class Server(Protocol):
    """Says what the test wants, to each request."""

    def __init__(self, test: "HttpsTests") -> None:
        self.test = test
        self.got = b""

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if not self.got.endswith((b"\r\n\r\n", self.test.end)):
            return
        assert self.transport is not None
        self.test.requests.append(self.got)
        self.transport.write(self.test.answer)
        if self.test.closes:
            self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        self.test.lost.callback(None)
        self.test.lost = Deferred()


class HttpsTests(TestCase):
    """Https"""

    timeout = 20

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.requests: list[bytes] = []
        self.answer, self.closes = HEAD + b"\r\n" + TEXT, True
        self.end = b"\r\n\r\n"  # of a request
        self.lost: Deferred[None] = Deferred()
        net: Any = reactor
        port = net.listenSSL(
            0,
            Factory.forProtocol(lambda: Server(self)),
            TlsServer(HOST.server_context()),
            interface="127.0.0.1",
        )
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port

    def https(self, *, reachable: bool = True, root: X509 | None = None) -> Https:
        roots = X509Store()
        roots.add_cert(root or X509.from_cryptography(ROOT.certificate))
        names = ("mta-sts.a.example", "mta-sts.b.example")
        zone = Zone({(name, "A"): ["127.0.0.1"] for name in names})
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        reach = {} if not reachable else {"reachable": lambda address: True}
        return Https(reactor, runtime, zone, roots, port=self.port, **reach)

    async def fails(self, host: str = "mta-sts.a.example", **options: Any) -> FetchFailed:
        """What the failure is; the connection is gone then."""
        lost = self.lost
        try:
            text = await self.https(**options).fetch(host, "/x", limit=LIMIT)
        except FetchFailed as failure:
            if self.requests:
                await lost
            return failure
        raise AssertionError(text)

    async def test_good(self) -> None:
        """A text comes whole, with a length or in chunks."""
        for answer in (
            b"Content-Length: 15\r\n\r\n" + TEXT,
            b"Transfer-Encoding: chunked\r\n\r\nf\r\n" + TEXT + b"\r\n0\r\n\r\n",
        ):
            self.answer, lost = HEAD + answer, self.lost
            self.assertEqual(await self.https().fetch("mta-sts.a.example", "/a/b.txt", limit=LIMIT), TEXT)
            await lost
        self.assertTrue(self.requests[0].startswith(b"GET /a/b.txt HTTP/1.1\r\n"))
        self.assertIn(b"Host: mta-sts.a.example\r\n", self.requests[0])

    async def test_answers_that_are_none(self) -> None:
        """Redirects, errors, other types, what is too long, cut off, or no HTTP, are refused (N4)."""
        body = b"\r\n" + TEXT
        for answer in (
            b"HTTP/1.1 301 Moved\r\nContent-Type: text/plain\r\nLocation: https://127.0.0.1/\r\n" + body,
            b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n" + body,
            HEAD.replace(b"plain", b"html") + body,
            b"HTTP/1.1 200 OK\r\n" + body,
            HEAD + b"\r\n" + b"x" * (LIMIT + 1),
            HEAD + body,
            HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 100_000,
            HEAD + b"Content-Length: 100\r\n" + body,
            HEAD + b"Content-Length: x\r\n" + body,
            b"SSH-2.0-x\r\n",
            b"\xff" * 100,
            b"",
        ):
            self.answer = answer
            self.assertFalse((await self.fails()).identity, answer[:60])
        self.assertEqual(len(self.requests), 12)

    async def test_endless(self) -> None:
        """What goes on and on is cut off at the limit, while the server still sends."""
        self.answer, self.closes = HEAD + b"\r\n" + b"x" * 10_000_000, False
        self.assertIn("too long", str(await self.fails()))

    async def test_silence(self) -> None:
        """All of it has a minute, counted from the start."""
        for answer in (b"", HEAD, HEAD + b"\r\nx"):
            self.answer, self.closes, self.requests = answer, False, []
            fetching = Deferred.fromCoroutine(self.fails())
            while not self.requests:
                pause: Deferred[None] = Deferred()
                net: Any = reactor
                net.callLater(0, pause.callback, None)
                await pause
            self.clock.advance(SECONDS - 1)
            self.assertFalse(fetching.called)
            self.clock.advance(1)
            self.assertIn("", str(await fetching))

    async def post(self, host: str = "mta-sts.a.example", **options: Any) -> str:
        """Why what was brought was not taken; "" where it was. The connection is gone then."""
        lost, before = self.lost, len(self.requests)
        failure = ""
        self.end = b"CONTENT"
        try:
            await self.https(**options).post(host, "/in?x=1", b"\0\xffCONTENT", kind="application/x+gzip")
        except FetchFailed as error:
            failure = str(error)
        if len(self.requests) > before:
            await lost
        return failure

    async def test_post(self) -> None:
        """Octets are brought as they are, with their type and length; any success will do."""
        for code in (b"200 OK", b"201 Created", b"204 No Content"):
            self.answer = b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % code
            self.assertEqual(await self.post(), "")
        header, _, content = self.requests[0].partition(b"\r\n\r\n")
        self.assertEqual(content, b"\0\xffCONTENT")
        self.assertTrue(header.startswith(b"POST /in?x=1 HTTP/1.1\r\n"))
        for field in (b"Content-Length: 9", b"Content-Type: application/x+gzip", b"Host: mta-sts.a.example"):
            self.assertIn(field, header.split(b"\r\n"))

    async def test_post_refused(self) -> None:
        """No redirect is followed, no error is a success, and no answer is read to its end (N4)."""
        for answer in (
            b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 307 Moved\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
            b"no HTTP\r\n",
            b"",
        ):
            self.answer = answer
            self.assertNotEqual(await self.post(), "", answer[:60])
        self.assertEqual(len(self.requests), 8)

    async def test_post_nowhere(self) -> None:
        """Nothing is brought to private addresses, and to hosts that do not prove their name (N4)."""
        self.assertIn("no address", await self.post(reachable=False))
        self.assertIn("does not answer", await self.post("mta-sts.b.example"))
        self.assertEqual(self.requests, [])

    async def test_identity(self) -> None:
        """Another name or authority is no identity, and nothing is asked of such a host (N4)."""
        self.assertTrue((await self.fails("mta-sts.b.example")).identity)
        other = X509.from_cryptography(issue("other", authority=True).certificate)
        self.assertTrue((await self.fails(root=other)).identity)
        self.clock.advance(31 * 86400)
        self.assertTrue((await self.fails()).identity)
        self.assertEqual(self.requests, [])

    async def test_unreachable(self) -> None:
        """Private addresses, names without address and closed ports are no hosts (N4)."""
        self.assertIn("no address", str(await self.fails(reachable=False)))
        self.assertIn("no address", str(await self.fails("missing.example")))
        self.port = 1
        self.assertIn("does not answer", str(await self.fails()))
