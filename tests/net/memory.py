"""Connections over memory, with real OpenSSL where TLS is asked for."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from OpenSSL import SSL
from twisted.internet import _newtls
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure

from mailnode.net.stream import ConnectionClosed, Stream, TimedOut


class _Losing(StringTransportWithDisconnection):
    """A transport whose protocol hears of the loss when it is done with what it has received, not within."""

    _receiving = False
    _losing = False

    def deliver(self, data: bytes) -> None:
        """Octets from the wire."""
        self._receiving = True
        try:
            self.protocol.dataReceived(data)
        finally:
            self._receiving = False
        if self._losing:
            _Losing.loseConnection(self)

    def loseConnection(self) -> None:
        """As a reactor does it: later."""
        if self._receiving:
            self._losing = True
        else:
            super().loseConnection()


class MemoryTransport(_Losing):
    """A server's transport that keeps what is written, and can become TLS as a TCP transport does."""

    TLS = False
    _tlsClientDefault = False
    streamingProducer = False

    def startTLS(self, creator: Any, normal: bool = True) -> None:
        """As twisted.internet.tcp does it, on this transport."""
        _newtls.startTLS(self, creator, normal, _Losing)

    def write(self, data: bytes) -> None:
        """Through TLS, once there is TLS."""
        if self.TLS:
            self.protocol.write(data)
        else:
            super().write(data)

    def loseConnection(self) -> None:
        """With a close alert first, under TLS."""
        if self.TLS:
            self.protocol.loseConnection()
        else:
            super().loseConnection()

    def abortConnection(self) -> None:
        """At once."""
        if self.connected:
            StringTransportWithDisconnection.loseConnection(self)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """For back-pressure, at the layer that writes."""
        if self.TLS:
            self.protocol.registerProducer(producer, streaming)
        else:
            self.streamingProducer = streaming
            super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The counterpart."""
        if self.TLS:
            self.protocol.unregisterProducer()
        else:
            super().unregisterProducer()

    def take(self) -> bytes:
        """What has been written since the last call."""
        written: bytes = self.value()
        self.clear()
        return written


class Served:
    """A server's session over memory, and the client's side of it. `outcome` is "" until the session ends."""

    clock: Clock
    stream: Stream
    transport: MemoryTransport
    outcome = ""

    def __init__(self, clock: Clock, cut: Callable[[bytes], Iterable[bytes]]) -> None:
        self.clock = clock
        self._cut = cut
        self.transport = MemoryTransport()
        self.stream = Stream(clock, opened=lambda stream: None)
        self.transport.protocol = self.stream
        self.stream.makeConnection(self.transport)

    def serve(self, serving: Awaitable[None], tls: Any = None) -> None:
        """Run the session as a listener does it: with `tls`, encrypted from the beginning."""

        async def session() -> None:
            if tls is not None:
                await self.stream.start_tls(tls, timeout=15.0)
            await serving

        Deferred.fromCoroutine(session()).addBoth(self._ended)

    def _ended(self, result: Any) -> None:
        if isinstance(result, Failure):
            self.outcome = result.trap(ConnectionClosed, TimedOut).__name__
        else:
            self.outcome = "ended"
        self.stream.close()

    def settle(self) -> None:
        """Let every short wait pass: breaths, and delays after errors."""
        while soon := [
            call.getTime()
            for call in self.clock.getDelayedCalls()
            if call.getTime() <= self.clock.seconds() + 2
            and call not in (self.stream._timer, self.stream._young._over)
        ]:
            self.clock.advance(max(0.0, min(soon) - self.clock.seconds()))

    def feed(self, data: bytes) -> None:
        """Send octets."""
        for piece in self._cut(data):
            if self.open:
                self.stream.dataReceived(piece)
                self.settle()

    def deliver_raw(self, data: bytes) -> None:
        """Octets on the wire, beside what TLS makes of them where there is TLS."""
        if self.transport.connected:
            self.transport.deliver(data)
            self.settle()

    @property
    def open(self) -> bool:
        """Whether the client can still send."""
        return bool(self.transport.connected) and not self.outcome

    def lose(self) -> None:
        """The client is gone."""
        if self.transport.connected:
            self.transport.abortConnection()
        self.settle()


class TlsPeer:
    """The client side of TLS, talking to a MemoryTransport."""

    def __init__(
        self,
        transport: MemoryTransport,
        context: SSL.Context | None = None,
        *,
        cut: Callable[[bytes], Iterable[bytes]] = lambda data: (data,),
    ) -> None:
        self.transport = transport
        self._cut = cut
        self.connection = SSL.Connection(context or SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        self.connection.set_connect_state()

    def handshake(self) -> None:
        """Shake hands to the end."""
        for _ in range(5):
            try:
                self.connection.do_handshake()
            except SSL.WantReadError:
                pass
            self._exchange()

    def send(self, data: bytes) -> None:
        """Encrypted octets for the server."""
        self.connection.sendall(data)
        self._exchange()

    def receive(self) -> bytes:
        """What the server has said, decrypted."""
        self._exchange()
        said = b""
        try:
            while True:
                said += self.connection.recv(65536)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return said

    def goodbye(self) -> None:
        """The alert that ends the encrypted conversation."""
        self.connection.shutdown()
        self._exchange()

    def _exchange(self) -> None:
        try:
            while data := self.connection.bio_read(65536):
                for piece in self._cut(data):
                    if self.transport.connected:
                        self.transport.deliver(piece)
        except SSL.WantReadError:
            pass
        if answer := self.transport.take():
            self.connection.bio_write(answer)
