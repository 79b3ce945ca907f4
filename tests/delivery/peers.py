"""An SMTP client over memory, and a server that says what a test wants."""

import random
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.protocols import tls
from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.client import Client, NotConnected, connect
from mailnode.delivery.fitting import Message
from mailnode.delivery.opening import Manner, Place
from mailnode.delivery.outcome import Outcome
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.envelope import Envelope, Recipient
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.wire.address import parse_address
from mailnode.wire.dot import Decoder
from tests.net.memory import MemoryTransport

ANNA, BEN, CARL = (Recipient(parse_address(f"{name}@there.example")) for name in ("anna", "ben", "carl"))
SENDER = parse_address("sender@here.example")
TEXT = b"Subject: a\r\n\r\n.\r\n..\r\ntext\r\n"
EHLO = b"250-there.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000\r\n"
BARE = b"250 there.example\r\n"
CUT = b"<cut>"  # in place of a reply: the connection is lost
START_TLS = b"<tls>"  # behind a reply: the server shakes hands now

IN_CLEAR = Manner("here.example", tls=TlsPolicy(Level.CLEAR))

GOOD: dict[str, bytes] = {
    "greeting": b"220 there.example ESMTP\r\n",
    "EHLO": EHLO,
    "LHLO": EHLO,
    "HELO": b"250 there.example\r\n",
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"250 2.1.5 Ok\r\n",
    "DATA": b"354 Go on\r\n",
    "END": b"250 2.0.0 Queued as 1\r\n",
    "BDAT": b"250 2.0.0 Ok\r\n",
    "RSET": b"250 2.0.0 Ok\r\n",
    "STARTTLS": b"220 2.0.0 Go on\r\n" + START_TLS,
    "QUIT": b"221 2.0.0 Bye\r\n",
}


def letter(
    *recipients: Recipient, text: bytes = TEXT, cut: int = 7, envelope: Envelope | None = None, **said: Any
) -> Message:
    """A message; its content comes in pieces of `cut` octets."""

    async def content() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(text), cut):
            yield text[start : start + cut]

    whole = envelope or Envelope(SENDER, recipients=recipients or (ANNA,))
    return Message(replace(whole, **said), len(text), content)


class FakeServer:
    """Answers each command with what `replies` has for its verb: one for all, or a list in turn.

    `lines` are the commands it got, `contents` the messages, `clear` all octets that came in clear.
    """

    def __init__(self, **replies: bytes | list[bytes]) -> None:
        self.replies: dict[str, bytes | list[bytes]] = {**GOOD, **replies}
        self.lines: list[bytes] = []
        self.contents: list[bytes] = []
        self.clear = b""
        self.secure = False
        self.accepted = 0
        self._input = b""
        self._chunks = b""
        self._decoder: Decoder | None = None

    def reply(self, verb: str) -> bytes:
        """The next one."""
        known = self.replies.get(verb, b"500 5.5.1 What?\r\n")
        if isinstance(known, bytes):
            return known
        return known.pop(0) if len(known) > 1 else known[0]

    def receive(self, data: bytes) -> Iterator[bytes]:
        """What is said to these octets."""
        if not self.secure:
            self.clear += data
        self._input += data
        while self._input:
            if self._decoder is not None:
                yield from self._content(self._decoder)
                continue
            line, end, rest = self._input.partition(b"\r\n")
            if not end:
                return
            self._input = rest
            yield from self._command(line)

    def _command(self, line: bytes) -> Iterator[bytes]:
        self.lines.append(line)
        verb = line.split(b" ")[0].decode("latin-1").upper()
        if verb == "BDAT":
            count = int(line.split(b" ")[1])
            self._chunks += self._input[:count]
            self._input = self._input[count:]
            if line.endswith(b" LAST"):
                self.contents.append(self._chunks)
                self._chunks = b""
        answer = self.reply(verb)
        if verb == "DATA" and answer.startswith(b"354"):
            self._decoder = Decoder()
            self.contents.append(b"")
        if verb == "MAIL":
            self.accepted = 0
        self.accepted += verb == "RCPT" and answer.startswith(b"2")
        yield answer

    def _content(self, decoder: Decoder) -> Iterator[bytes]:
        self.contents[-1] += decoder.feed(self._input)
        self._input = b""
        if decoder.finished:
            self._input, self._decoder = decoder.residue, None
            for _ in range(self.accepted if self.lines[0].startswith(b"LHLO") else 1):
                yield self.reply("END")


class ClientTransport(MemoryTransport):
    """The client's end of a connection; under TLS, with a clock, an abort ends it a moment later, as TCP."""

    _tlsClientDefault = True
    clock: Clock | None = None
    aborted = False

    def abortConnection(self) -> None:
        """Nothing more goes out."""
        self.aborted = True
        if self.clock is not None and self.TLS:
            self.clock.callLater(0, super().abortConnection)
        else:
            super().abortConnection()

    def take(self) -> bytes:
        """What goes out."""
        data = super().take()
        return b"" if self.aborted else data


@dataclass
class Pipe:
    """One connection in memory; with `tls` the server's end of it."""

    transport: ClientTransport
    server: FakeServer
    tls: Any = None
    greeted: bool = False


@dataclass
class World:
    """A client and its connections, on a clock that stands still."""

    servers: list[FakeServer]
    certificates: Any = None
    cut: int = 1 << 20
    clock: Clock = field(default_factory=Clock)
    pipes: list[Pipe] = field(default_factory=list)
    refused: bool = False
    address: str = "192.0.2.25"

    def __post_init__(self) -> None:
        self.runtime = Runtime(self.clock, random.Random(1), InlineExecutor())

    @property
    def server(self) -> FakeServer:
        """The one of the last connection."""
        return self.pipes[-1].server

    def connect(self, factory: Any) -> "Deferred[Any]":
        """As an endpoint does."""
        if self.refused:
            return fail(ConnectionRefusedError())
        protocol = factory.buildProtocol(None)
        transport = ClientTransport(peerAddress=IPv4Address("TCP", self.address, 25))
        transport.protocol, transport.clock = protocol, self.clock
        server = self.servers[min(len(self.pipes), len(self.servers) - 1)]
        self.pipes.append(Pipe(transport, server))
        protocol.makeConnection(transport)
        return succeed(protocol)

    def run(self, awaitable: Any) -> "Deferred[Any]":
        """Start it, and let everything happen that needs no time."""

        async def whole() -> Any:
            return await awaitable

        running: Deferred[Any] = Deferred.fromCoroutine(whole())
        self.settle()
        return running

    def settle(self) -> None:
        """Carry octets to and fro until there are none."""
        for pipe in self.pipes:
            if not pipe.greeted:
                pipe.greeted = True
                self.say(pipe, pipe.server.reply("greeting"))
        moved = True
        while moved:
            self.clock.advance(0)
            moved = sum(self._move(pipe) for pipe in self.pipes) > 0

    def _move(self, pipe: Pipe) -> bool:
        data = pipe.transport.take()
        if pipe.tls is not None:
            return bool(pipe.tls.move(data))
        for answer in pipe.server.receive(data):
            self.say(pipe, answer)
        return bool(data)

    def say(self, pipe: Pipe, octets: bytes) -> None:
        """Something from the server."""
        if octets == CUT:
            pipe.transport.abortConnection()
            return
        plain, begin, _ = octets.partition(START_TLS)
        if begin:
            pipe.tls = self.certificates(pipe)
        for start in range(0, len(plain), self.cut):
            if pipe.transport.connected:
                pipe.transport.protocol.dataReceived(plain[start : start + self.cut])

    def pass_time(self, seconds: float) -> None:
        """Let it pass, a second at a time."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.settle()


class ClientTestCase(SynchronousTestCase):
    """Ends every connection and looks that nothing is left of it."""

    def setUp(self) -> None:
        self.worlds: list[World] = []
        # Twisted gathers small encrypted writes with a clock of its own.
        self.patch(tls, "_get_default_clock", lambda: self.worlds[-1].clock)

    def tearDown(self) -> None:
        for world in self.worlds:
            self.end(world)

    def end(self, world: World) -> None:
        """The end of all connections, of which nothing may be left."""
        for pipe in world.pipes:
            pipe.transport.abortConnection()
        world.clock.advance(0)
        self.assertEqual(world.clock.getDelayedCalls(), [])

    def world(self, *servers: FakeServer, **facts: Any) -> World:
        """A world with these servers, one for each connection, and the last one for all further ones."""
        world = World([*servers], **facts)
        self.worlds.append(world)
        return world

    def connected(self, world: World, manner: Manner = IN_CLEAR) -> Client:
        """A client whose session has begun."""
        client = self.successResultOf(world.run(connect(self.place(world), manner, world.runtime)))
        return cast(Client, client)

    def not_connected(self, world: World, manner: Manner = IN_CLEAR) -> NotConnected:
        """The reason why no session began."""
        running = world.run(connect(self.place(world), manner, world.runtime))
        return cast(NotConnected, self.failureResultOf(running, NotConnected).value)

    def place(self, world: World) -> Place:
        """Where the world's servers are."""
        return Place(cast(Any, world), "mx.there.example")

    def delivered(self, world: World, message: Message, manner: Manner = IN_CLEAR) -> tuple[Outcome, ...]:
        """The outcomes of one message on a new connection."""
        client = self.connected(world, manner)
        return cast(tuple[Outcome, ...], self.successResultOf(world.run(client.deliver(message))))

    def words(self, outcomes: tuple[Outcome, ...]) -> list[tuple[str, str, str]]:
        """Result, stage and status of each."""
        return [(one.result.value, one.verdict.stage.value, one.verdict.status) for one in outcomes]
