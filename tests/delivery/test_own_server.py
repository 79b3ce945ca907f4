"""The client and the server of this package, the real code on both ends, over memory and real OpenSSL."""

import random
from datetime import UTC, datetime
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.protocols import tls as twisted_tls

from mailnode.delivery.client import Client, connect
from mailnode.delivery.opening import Login, Manner, Place
from mailnode.delivery.outcome import Outcome, Result
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.envelope import Body, Recipient
from mailnode.net.blocking import InlineExecutor
from mailnode.net.identity import Identity
from mailnode.net.tls import TlsServer, make_context
from mailnode.runtime import Runtime
from mailnode.store.errors import OverQuota
from mailnode.wire.address import parse_address
from tests.delivery.peers import BEN, IN_CLEAR, ClientTransport, letter
from tests.delivery.test_opening import NAME, OpeningTestCase, authority, certificates, trusting
from tests.smtp.world import World

ANNA = Recipient(parse_address("anna@local.example"))
BOB = Recipient(parse_address("bob@local.example"))
CARL = Recipient(parse_address("carl@second.example"))


class Own:
    """An endpoint that leads to the server's session, and carries octets to and fro."""

    def __init__(self, server: World) -> None:
        self.server = server
        self.transport = ClientTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 25))

    def connect(self, factory: Any) -> "Deferred[Any]":
        """As an endpoint does."""
        protocol = factory.buildProtocol(None)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        return succeed(protocol)

    def run(self, awaitable: Any) -> "Deferred[Any]":
        """Start it, and go on until nobody says anything."""

        async def whole() -> Any:
            return await awaitable

        running: Deferred[Any] = Deferred.fromCoroutine(whole())
        while self._move(self.transport, self.server.transport) | self._move(
            self.server.transport, self.transport
        ):
            self.server.settle()
        return running

    def _move(self, source: Any, target: Any) -> bool:
        self.server.clock.advance(0)
        data = source.take()
        if data and target.connected:
            target.protocol.dataReceived(data)
        return bool(data)


class OwnServer(OpeningTestCase):
    """Messages from one end to the other."""

    def open(self, protocol: str, manner: Manner, **facts: Any) -> tuple[World, Own, Client]:
        """A session between the two."""
        server = World(protocol, **facts)
        own = Own(server)
        self.patch(twisted_tls, "_get_default_clock", lambda: server.clock)
        runtime = Runtime(server.clock, random.Random(1), InlineExecutor())
        client = self.successResultOf(own.run(connect(Place(cast(Any, own), NAME), manner, runtime)))
        self.addCleanup(self.finish, server, own, client)
        return server, own, client

    def finish(self, server: World, own: Own, client: Client) -> None:
        """QUIT, and nothing is left; under TLS it is cut, as this transport cannot end TLS from both ends."""
        if client.peer.tls is None:
            self.successResultOf(own.run(client.close()))
        server.lose()
        own.transport.abortConnection()
        self.assertEqual(server.clock.getDelayedCalls(), [])

    def send(self, own: Own, client: Client, *people: Recipient, **said: Any) -> list[Outcome]:
        """The outcomes of one message."""
        return list(self.successResultOf(own.run(client.deliver(letter(*people, **said)))))

    def test_messages(self) -> None:
        """Several on one connection; each arrives octet for octet; who is unknown is told alone."""
        server, own, client = self.open("smtp", IN_CLEAR)
        for text in (b"Subject: a\r\n\r\n.\r\n..x\r\n", b"Subject: b\r\n\r\n" + b"y" * 200_000 + b"\r\n"):
            outcomes = self.send(own, client, ANNA, BEN, BOB, text=text, cut=10007)
            self.assertEqual(
                [one.result for one in outcomes], [Result.DELIVERED, Result.PERMANENT, Result.DELIVERED]
            )
            self.assertEqual(outcomes[1].verdict.status, "5.7.1")
            delivery = server.courier.delivered[-1]
            self.assertEqual(delivery.accounts, ("anna@local.example", "bob@local.example"))
            self.assertTrue(delivery.content.endswith(text))

    def test_reset(self) -> None:
        """A transaction that came to nothing does not disturb the next one."""
        server, own, client = self.open("smtp", IN_CLEAR)
        self.assertEqual(self.send(own, client, BEN)[0].result, Result.PERMANENT)
        self.assertEqual(self.send(own, client, ANNA)[0].result, Result.DELIVERED)
        self.assertEqual(len(server.courier.delivered), 1)

    def test_chunks(self) -> None:
        """BDAT, with what DATA could not carry."""
        server, own, client = self.open("smtp", IN_CLEAR)
        text = b"Subject: a\r\n\r\n" + b"\0\n\r.\r\n" * 100_000
        (outcome,) = self.send(own, client, ANNA, text=text, cut=65536, body=Body.BINARY)
        self.assertIs(outcome.result, Result.DELIVERED, outcome)
        self.assertTrue(server.courier.delivered[0].content.endswith(text))

    def test_parameters(self) -> None:
        """What the envelope wants arrives as that."""
        _, own, client = self.open("smtp", IN_CLEAR, trusted=True)
        wide = Recipient(parse_address("änna@local.example", utf8=True))
        outcomes = self.send(own, client, ANNA, wide, utf8=True, body=Body.EIGHT_BIT, priority=-3)
        self.assertEqual([one.result for one in outcomes], [Result.DELIVERED, Result.PERMANENT])
        self.assertFalse(outcomes[0].without_dsn)

    def test_tls(self) -> None:
        """STARTTLS, verified; then AUTH on submission; REQUIRETLS."""
        pem = certificates(datetime.fromtimestamp(1_000_000_000, UTC))  # the time of the server's world
        server_side = TlsServer(make_context(pem.certificate, pem.key))
        manner = Manner(
            "here.example",
            tls=TlsPolicy(Level.VERIFIED, Identity((NAME,))),
            roots=trusting(authority(pem)),
            login=Login("anna@local.example", "secret"),
        )
        server, own, client = self.open("submission", manner, tls=server_side)
        (outcome,) = self.send(
            own,
            client,
            BOB,
            reverse_path=ANNA.address,
            require_tls=True,
            text=b"From: anna@local.example\r\n\r\nx\r\n",
        )
        self.assertIs(outcome.result, Result.DELIVERED, outcome)
        assert outcome.peer.tls is not None
        self.assertTrue(outcome.peer.tls.verified)
        self.assertIn(b"ESMTPSA", server.courier.delivered[0].content)

    def test_lmtp(self) -> None:
        """RFC 2033: each its own answer."""
        manner = Manner("here.example", lmtp=True, tls=TlsPolicy(Level.CLEAR))
        server, own, client = self.open("lmtp", manner, trusted=True)
        server.courier.fails_for["bob@local.example"] = OverQuota("full")
        outcomes = self.send(own, client, ANNA, BOB, CARL)
        self.assertEqual(
            [one.result for one in outcomes], [Result.DELIVERED, Result.TEMPORARY, Result.DELIVERED]
        )
        self.assertFalse(any(one.verdict.own for one in outcomes))
