"""The two ends of a connection.

It may be cut after any octet, or go silent, so that each side learns of it by its own patience. What a
program has read is acknowledged to nobody: who wrote it knows only what is answered, as in TCP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IProtocol
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from mailnode.values import frozen
from tests.simulation.clock import Clock

LARGEST_BUFFER = 65536

Tell = Callable[[str, str], None]


class Wires(Protocol):
    """The network, as its wires see it."""

    tell: Tell

    def later(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        """Do it then, whoever is dead meanwhile."""

    def piece(self, data: bytearray) -> bytes:
        """What arrives together."""

    def ended(self, end: "Wire") -> None:
        """An end hears nothing more."""


@dataclass(eq=False, slots=True)
class Machine:
    """Whoever has an address: its clock, and whether it is dead; then nobody there hears anything more."""

    name: str
    address: str
    clock: Clock
    dead: bool = False
    silent: bool = False  # a dead machine that does not even refuse: it has no power


@frozen
class Trouble:
    """What is wrong with a connection: after so many octets in one direction it is cut, or goes silent."""

    up: bool  # from who called to who was called
    octets: int
    silent: bool


class Wire:
    """One end of a connection: the transport of a protocol, as much of one as streams use."""

    disconnecting = False

    def __init__(self, network: Wires, machine: Machine, address: str, port: int) -> None:
        self.machine = machine
        self.other: Wire = self
        self.protocol: IProtocol | None = None
        self.trouble: Trouble | None = None
        self.silent = False  # nothing it sends arrives any more
        self._network = network
        self._address = address
        self._port = port
        self._latency = 0.0
        self._out = bytearray()
        self._sent = 0
        self._sending = False
        self._paused = False
        self._closing = False
        self._over = False
        self._buffer = LARGEST_BUFFER
        self._producer: Any = None
        self._producer_paused = False

    def begin(self, protocol: IProtocol, latency: float, buffer: int) -> None:
        """The connection is there."""
        self.protocol = protocol
        self._latency, self._buffer = latency, buffer
        protocol.makeConnection(cast(Any, self))

    @property
    def over(self) -> bool:
        """Whether nobody here hears of it any more."""
        return self._over or self.machine.dead

    def getPeer(self) -> IPv4Address:
        """Who is at the other end."""
        return IPv4Address("TCP", self.other._address, self.other._port)

    def getHost(self) -> IPv4Address:
        """Who is at this one."""
        return IPv4Address("TCP", self._address, self._port)

    # Writing

    def write(self, data: bytes) -> None:
        """Octets for the other end."""
        if self.over or self._closing or not data:
            return
        self._out += data
        if self._producer is not None and len(self._out) > self._buffer and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()
        self._send()

    def _send(self) -> None:
        if not self._sending and not self.other._paused:
            self._sending = True
            self._network.later(self._latency, self._arrive)

    def _arrive(self) -> None:
        """What was written reaches the other end, in one piece or some."""
        self._sending = False
        if self._over or self.silent:
            return
        while self._out and not self.other._paused and not self._over:
            piece = self._network.piece(self._out)
            left = self._luck()
            if left is not None and left <= len(piece):
                self._hand_over(piece[:left])
                self._break()
                return
            self._hand_over(piece)
        if not self._out and not self._over:
            self._written()

    def _hand_over(self, piece: bytes) -> None:
        del self._out[: len(piece)]
        self._sent += len(piece)
        if piece and not self.other.over and not self.other._closing and self.other.protocol is not None:
            self.other.protocol.dataReceived(piece)

    def _luck(self) -> int | None:
        """How many octets more go through."""
        return None if self.trouble is None else max(self.trouble.octets - self._sent, 0)

    def _break(self) -> None:
        assert self.trouble is not None
        self._network.tell("network", f"{self} {'goes silent' if self.trouble.silent else 'is cut'}")
        if self.trouble.silent:
            self.silent = self.other.silent = True
        else:
            self.lost(ConnectionLost())
            self.other.lost(ConnectionLost())

    def _written(self) -> None:
        if self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if self._closing and not self._out and not self._over:
            self._part()

    # The other direction

    def pauseProducing(self) -> None:
        """Nothing more is wanted for now."""
        self._paused = True

    def resumeProducing(self) -> None:
        """More is wanted."""
        self._paused = False
        if self.other._out:
            self.other._send()

    def registerProducer(self, producer: Any, _streaming: bool) -> None:
        """Who is told when too much is written."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Nobody is."""
        self._producer, self._producer_paused = None, False

    # Ends

    def loseConnection(self) -> None:
        """Close, when all is written."""
        if self.over or self._closing:
            return
        self._closing = self.disconnecting = True
        if not self._out:
            self.machine.clock.callLater(0, self._part)

    def _part(self) -> None:
        if not self._over:
            self._network.later(self._latency, self.other.lost, ConnectionDone())
            self.lost(ConnectionDone())

    def abortConnection(self) -> None:
        """Close now; what is under way is lost."""
        if self.over:
            return
        self._out.clear()
        self._closing = self.disconnecting = True
        self._network.later(self._latency, self.other.lost, ConnectionLost())
        self.machine.clock.callLater(0, self.lost, ConnectionAborted())

    def lost(self, reason: Exception) -> None:
        """It is over; the protocol hears of it, unless its machine is dead, or the news does not arrive."""
        if self._over or (self.silent and not self._closing):
            return
        self._over = True
        self._network.ended(self)
        if not self.machine.dead and self.protocol is not None:
            self.protocol.connectionLost(Failure(reason))

    def vanish(self, *, resets: bool) -> None:
        """The program has died: its system sends what was written and closes, or resets the connection.

        Unless there is no system any more: then nobody hears anything.
        """
        self.protocol = None
        self.unregisterProducer()
        if not (self.machine.silent or self.silent or resets or self._over):
            self._closing = True
            if self._out:
                self._send()
            else:
                self._part()
            return
        self._over = True
        self._network.ended(self)
        if not self.machine.silent:
            self._network.later(self._latency, self.other.lost, ConnectionLost())
        else:
            self.other.silent = True

    def __str__(self) -> str:
        return f"{self.machine.name}->{self.other.machine.name}"


class _Below:
    """What TLS writes to: an end as it was before."""

    def __init__(self, end: "End") -> None:
        self._end = end

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(Wire, name), self._end)


class End(Wire):
    """One that may begin TLS. Nobody here has any, so the handshake leads to nothing, but it is tried."""

    _tls: TLSMemoryBIOProtocol | None = None

    def startTLS(self, creator: IOpenSSLClientConnectionCreator) -> None:
        """As Twisted's transports: what is written goes through TLS from now on, if it ever comes about."""
        factory = TLSMemoryBIOFactory(creator, True, cast(Any, None), self.machine.clock)
        self.protocol = self._tls = TLSMemoryBIOProtocol(factory, self.protocol, False)
        self._tls.makeConnection(_Below(self))

    def write(self, data: bytes) -> None:
        if self._tls is None:
            super().write(data)
        else:
            self._tls.write(data)

    def loseConnection(self) -> None:
        if self._tls is None:
            super().loseConnection()
        else:
            self._tls.loseConnection()
