"""The only Protocol class: a connection as a stream that coroutines read from and write to.

A session is one coroutine: `line = await stream.line(limit)`, straight on. The rules that keep it honest:

- Awaiting what is already in the buffer costs no Deferred; a coroutine that never has to wait gives the
  reactor a turn all the same (net.breath), so that 20,000 pipelined commands stall nobody.
- Reading is back-pressured: with more than READ_BUFFER octets unread, the transport is paused until the
  session has caught up. Writing is too: `await drain()` returns when the peer has taken enough.
- A peer that only stops sending still gets the replies to what it has sent.
- A session that is sent away finishes what it works at: it ends where it would wait for its peer.
- A lost connection never cancels a session in the middle of its work: the next read, or drain, raises
  ConnectionClosed. So what runs in a thread is always awaited, and clean-up is a `finally`.
- start_tls() ends the old conversation: octets that came in clear behind the command are an attack
  (CVE-2011-0411 and its family) and close the connection; none of them is ever executed.
- compress() puts DEFLATE between the transport and the buffer. What came in is inflated when it is wanted,
  so that what is paused is what was sent; what goes out is flushed where the session waits.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from socket import AF_INET, AF_INET6, IPPROTO_TCP, MSG_MORE, TCP_NODELAY, socket
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from mailnode.net.breath import Breather
from mailnode.net.deflate import Deflater, Garbled, Inflater
from mailnode.net.wait import Bell, Wait
from mailnode.net.young import ROUND, Young
from mailnode.wire.dot import Decoder
from mailnode.wire.framing import ByteQueue

READ_BUFFER = 65536
ENDLESS_LINE = 65536  # octets beyond its limit that are read past before a line counts as endless

# Octets that the kernel holds beyond those on their way to the peer. By itself it would take some megabytes
# for a peer that does not read, and have us work for it all that time.
UNSENT = 131072
TCP_NOTSENT_LOWAT = 25  # Linux; the socket module lacks it before Python 3.12

# Seconds for what is written last, and for the answer to a TLS close. A peer that is alive needs a round
# trip, or a few retransmissions (1 + 2 + 4 + 8 s); one that is not would hold a descriptor meanwhile.
LINGER = 30.0
TOGETHER = 65536  # octets that are held until more follows
LOOK = 180.0  # seconds after which a session that waits is looked at, whatever time it has


class ConnectionClosed(Exception):
    """The peer is gone, or was sent away; nothing more can be read or written."""


class EndlessLine(ConnectionClosed):
    """A line goes on and on: nothing more is read. The peer may still be told so."""


class BrokenCompression(ConnectionClosed):
    """What came is not compressed as was agreed: nothing more is read. The peer may still be told so."""


class TimedOut(Exception):
    """The peer did not send, or did not read, in the time it has."""


def send_at_once(end: socket) -> None:
    """Have a TCP socket hold nothing back for what may follow, nor much for who does not read.

    Connections that are accepted have it from the socket that listens.
    """
    if end.family in (AF_INET, AF_INET6):
        end.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        with suppress(OSError):  # not every kernel that Linux programs run on has it
            end.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)


def put(wire: Any, data: bytes, flags: int = 0) -> None:
    """Hand octets to the kernel as far as it takes them at once, the rest to the transport of a socket.

    A reply that goes out here need not wait for the reactor to find out that the socket can be written to:
    four system calls and as much Python for each.
    """
    sent = 0
    if not (wire.dataBuffer or wire._tempDataBuffer):
        try:
            sent = wire.socket.send(data, flags)
        except OSError:  # no room, or the end, which the reactor will find again
            pass
    if sent < len(data):
        wire.write(data[sent:] if sent else data)


def _nothing() -> None:
    """What happens at the end when nobody asked for anything."""


@implementer(IPushProducer, IHandshakeListener, IHalfCloseableProtocol)
class Stream(Protocol):
    """One connection. Attributes to set: `timeout`, seconds a single read may take."""

    def __init__(
        self,
        clock: IReactorTime,
        *,
        opened: Callable[["Stream"], None],
        write_timeout: float = 300.0,
        breather: Breather | None = None,
        young: Young | None = None,
    ) -> None:
        self.timeout = 300.0
        self.secure = False
        self.lost = False
        self._clock = clock
        self._breather = breather or Breather(clock)
        self._young = young or Young(clock)
        self._opened = opened
        self._write_timeout = write_timeout
        self._queue = ByteQueue()
        self._unread = self._queue.octets
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        self._bell: Bell[bytes | None] = Bell(self._forget_arrival)
        self._arrival: Bell[bytes | None] | None = None  # the bell, while somebody waits for it
        self._wants_line = -1  # of so many octets at most
        self._room: Deferred[None] | None = None
        self._handshake: Deferred[None] | None = None
        self._wire: Any = None  # the transport, while octets may go straight to its socket
        self._full = False
        self._paused = False
        self._closing = False
        self._all_read = False
        self._farewell = b""
        self._held: list[bytes] = []
        self._holding = 0  # octets
        self._answers_together = False  # to commands that came together
        self._goes_out = False  # whether the next turn of the reactor sends what is held
        self._after: Callable[[], None] = _nothing
        self._deadline = 0.0
        self._timer: IDelayedCall | None = None
        self._looks_at = inf
        self._joined = False  # the young ones
        self._awake_since = 0.0

    @property
    def local(self) -> str:
        """The IP address of this end as text, "" on a UNIX socket."""
        if self._wire is None:
            return str(getattr(cast(ITCPTransport, self.transport).getHost(), "host", ""))
        name = self._wire.socket.getsockname()  # getHost() makes an address of it, which takes longer
        return name[0] if isinstance(name, tuple) else ""

    # Reading

    async def line(self, limit: int, *, endless: int = ENDLESS_LINE) -> bytes:
        """The next line without its CRLF; the whole line has `timeout` seconds to come.

        Raises LineTooLong, BadLine (bare LF), TimedOut, ConnectionClosed. The rest of an over-long line is
        read past at the next call, which raises EndlessLine for more than `endless` octets of it.
        """
        queue = self._queue
        line: bytes | None = None
        if self._unread:
            if self._breather.is_due(self._awake_since):
                await self._breathe()  # before it is taken: whoever waits here may leave
            line = queue.line(limit)
        if line is None:
            deadline = self._clock.seconds() + self.timeout
            while line is None and queue.dropped <= endless:
                line = await self._more(deadline, limit)
                if line is not None:  # nearly all
                    return line
                line = queue.line(limit)
        if line is None or queue.dropped > endless:
            raise EndlessLine
        if self._paused:
            self._caught_up()
        return line

    async def line_end(self) -> bytes:
        """The last octets of a line that line() could not take, when all of it has come.

        Raises as line() does.
        """
        deadline = self._clock.seconds() + self.timeout
        while not self._queue.passed() and self._queue.dropped <= ENDLESS_LINE:
            await self._more(deadline)
        if self._queue.dropped > ENDLESS_LINE:
            raise EndlessLine
        self._caught_up()
        return self._queue.tail

    async def peek(self) -> bytes:
        """The next octet, which stays in the stream."""
        deadline = self._clock.seconds() + self.timeout
        while not self._unread:
            await self._more(deadline)
        return self._queue.peek()

    def begins(self, octets: bytes, behind: int = 0) -> bool:
        """Whether these octets have come and are next, behind so many others."""
        return self._queue.begins(octets, behind)

    def accept(self, octets: bytes) -> bool:
        """The same; then they are read."""
        if not self._queue.accept(octets):
            return False
        self._caught_up()
        return True

    async def exactly(self, count: int) -> bytes:
        """The next `count` octets; for small counts, as they are all held in memory."""
        deadline = self._clock.seconds() + self.timeout
        while (octets := self._queue.exactly(count)) is None:
            await self._more(deadline)
        self._caught_up()
        return octets

    async def some(self, limit: int) -> bytes:
        """At least one octet and at most `limit`; `timeout` seconds for the first to come."""
        if self._unread and self._breather.is_due(self._awake_since):
            await self._breathe()
        deadline = self._clock.seconds() + self.timeout
        while not self._unread:
            await self._more(deadline)
        octets = self._queue.some(limit)
        self._caught_up()
        return octets

    async def dotted(self, decoder: Decoder) -> bytes:
        """The next decoded piece of a dot-ended body; see decoder.finished for its end.

        What follows the end stays in the stream, as the next commands.
        """
        decoded = decoder.feed(await self.some(READ_BUFFER))
        if decoder.finished and decoder.residue:
            self._queue.unread(decoder.residue)
        return decoded

    @property
    def ended(self) -> bool:
        """Whether no more can come."""
        return self.lost or self._closing or self._all_read

    @property
    def pending(self) -> int:
        """Octets that have come and are not yet read; of those that are not yet inflated, as many as came."""
        return len(self._queue) + (len(self._inflater) if self._inflater is not None else 0)

    def _more(self, deadline: float, line: int = -1) -> Awaitable[bytes | None]:
        """When this is over there may be more to read. Raises ConnectionClosed where no more can come.

        It may give a line of up to so many octets, which then is not in the queue.
        """
        if self._farewell:
            self._part()
        if self._inflater is not None and not self._closing and self._inflates(self._inflater):
            due = self._breather.is_due(self._awake_since)
            return self._breathe() if due else succeed(None)
        if self.lost or self._closing or self._all_read:
            raise ConnectionClosed
        if self._held or self._deflater is not None:
            self._flush()
        if self._paused:
            self._resume_reading()
        self._deadline = deadline
        if self._looks_at > deadline:
            self._arm()
        if self._bell.called:
            self._bell = Bell(self._forget_arrival)
        self._arrival = self._bell
        self._wants_line = line
        return self._bell

    def _forget_arrival(self, _: "Deferred[None]") -> None:
        self._arrival = None

    def _inflates(self, inflater: Inflater) -> bool:
        """Whether there is more to be read that has come before."""
        try:
            more = inflater.into(self._queue)
        except Garbled:
            raise BrokenCompression from None
        if inflater.over:
            self._inflater = None
        return more

    def _caught_up(self) -> None:
        if self._paused and self.pending <= READ_BUFFER // 2:
            self._resume_reading()

    def _resume_reading(self) -> None:
        self._paused = False
        if not self.lost:
            cast(Any, self.transport).resumeProducing()

    async def _breathe(self) -> None:
        await self._breather.breathe()
        self._awake_since = self._clock.seconds()

    # One lazily moved timer for all reads of the connection: reads are many, time-outs are few. It looks
    # before their time is over too, so that one that has less than those before it needs no other timer. The
    # first look is one at all connections that are young (net.young).

    def _arm(self) -> None:
        now = self._clock.seconds()
        if not self._joined and self._deadline - now >= ROUND:
            self._joined = True
            self._looks_at = self._young.join(self)
            if self._looks_at <= self._deadline:  # not where the clock was set back in this round
                return
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = min(max(self._deadline, now), now + LOOK)
        self._timer = self._clock.callLater(self._looks_at - now, self._expired)

    def look(self) -> None:
        """It is not so young any more: from now on it has a timer while it waits."""
        if self._timer is None:
            self._looks_at = inf
            if self._arrival is not None:
                self._arm()

    def _expired(self) -> None:
        self._timer = None
        self._looks_at = inf
        waiting = self._arrival
        if waiting is None:
            return
        if self._clock.seconds() < self._deadline:
            self._arm()
            return
        self._arrival = None
        waiting.errback(Failure(TimedOut()))

    # Writing

    def write(self, data: bytes) -> None:
        """Hand octets to the transport; after much of it, `await drain()`.

        While commands wait that have come already, a little is held: their replies go out together, in the
        next turn of the reactor at the latest.
        """
        if not self._unread or not self._answers_together or self._holding + len(data) > TOGETHER:
            if not data or self._held or self._wire is None or self._deflater is not None or self._closing:
                self._send(data)
            else:  # nearly all
                put(self._wire, data)
            return
        self._held.append(data)
        self._holding += len(data)
        if not self._goes_out:
            self._goes_out = True
            self._clock.callLater(0, self._let_out)

    def _let_out(self) -> None:
        self._goes_out = False
        self._flush()

    def write_with_next(self, data: bytes) -> None:
        """The same where more will follow at once: a little goes out with that, or when somebody waits."""
        if self._holding + len(data) > TOGETHER:
            self._send(data)
        else:
            self._held.append(data)
            self._holding += len(data)

    def write_through(self, data: bytes) -> None:
        """The same for what goes out although nobody will drain soon."""
        self.write(data)
        self._flush()

    def _send(self, data: bytes, flags: int = 0) -> None:
        """Hand over what is held, and this behind it."""
        if self._held:
            data = b"".join([*self._held, data])
            self._held.clear()
            self._holding = 0
        if data and not self.lost and not self._closing:
            self._put(data if self._deflater is None else self._deflater.take(data), flags)

    def _put(self, data: bytes, flags: int = 0) -> None:
        if self._wire is not None:
            put(self._wire, data, flags)
        else:
            cast(ITCPTransport, self.transport).write(data)

    def _flush(self, flags: int = 0) -> None:
        """Send what waits for more, and what waits in the deflater."""
        self._send(b"", flags)
        if self._deflater is not None and not self.lost and not self._closing:
            self._put(self._deflater.flush(), flags)

    def _is_empty(self) -> bool:
        """Whether octets may go to the socket: those in Twisted's buffers would be overtaken."""
        wire = self._wire
        return wire is not None and not (wire.dataBuffer or wire._tempDataBuffer)

    def outlet(self) -> socket | None:
        """Another descriptor of the socket, by which a thread may send octets while nobody writes here.

        Whoever has it closes it, soon: the connection lives as long, and the transport's own descriptor may
        be somebody else's by then. None where octets go another way, or others wait to go before.
        """
        if self.lost or self._closing or self._held or self._deflater is not None or not self._is_empty():
            return None
        try:
            return cast(socket, cast(Any, self._wire).socket.dup())
        except OSError:  # there is no descriptor left
            return None

    @property
    def flows(self) -> bool:
        """Whether drain() would not wait; it breathes too, as reading the next command does."""
        return not (self._full or self.lost or self._closing)

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was written.

        Raises ConnectionClosed when it is gone, and aborts the connection when it does not read for too long.
        """
        if self._breather.is_due(self._awake_since):  # a peer may take everything at once
            await self._breathe()
        if self.lost or self._closing:
            raise ConnectionClosed
        if not self._goes_out and (self._held or self._deflater is not None):
            self._flush()
        if not self._full:
            return
        room: Wait[None] = Wait()
        self._room = room
        stalled = self._clock.callLater(self._write_timeout, self.abort)
        try:
            await room
        finally:
            if stalled.active():
                stalled.cancel()
        if self.lost or self._closing:
            raise ConnectionClosed
        self._awake_since = self._clock.seconds()

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""
        self._full = True

    def resumeProducing(self) -> None:
        """The transport's write buffer has room again."""
        self._full = False
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)

    def stopProducing(self) -> None:
        """The transport will take nothing more: connectionLost() tells who waits for room, not this."""

    # TLS

    async def start_tls(
        self,
        creator: IOpenSSLServerConnectionCreator | IOpenSSLClientConnectionCreator,
        *,
        timeout: float,
        begun: bool = False,
    ) -> None:
        """Go on under TLS: as its server where the connection was accepted, as its client where it was made.

        Returns after the handshake. Whoever has just told the peer to begin it calls this in the same turn of
        the reactor: what comes in the next one is the handshake.

        What is waiting in the stream belongs to the handshake where it may have `begun`, as behind the header
        of a proxy. Otherwise raises ConnectionClosed when octets in clear are waiting: they were sent by
        somebody who wants them taken for part of the encrypted conversation.
        """
        if self.lost or self._closing or (self._queue and not begun):
            self.abort()
            raise ConnectionClosed
        self._flush()
        waiting = self._queue.some(len(self._queue))
        self._caught_up()
        handshake: Deferred[None] = Deferred()
        self._handshake = handshake
        self._wire = None
        cast(Any, self.transport).startTLS(creator)
        self.secure = True
        if waiting:
            cast(Any, self.transport).protocol.dataReceived(waiting)
        late = self._clock.callLater(timeout, self.abort)
        try:
            await handshake
        finally:
            if late.active():
                late.cancel()
        self._awake_since = self._clock.seconds()

    def handshakeCompleted(self) -> None:
        """The TLS handshake is done."""
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.callback(None)

    def tls_version(self) -> str:
        """Such as "TLSv1.3"; "" in clear."""
        if not self.secure:
            return ""
        return str(cast(Any, self.transport).getHandle().get_protocol_version_name())

    def tls_connection(self) -> SSL.Connection | None:
        """OpenSSL's side of the connection, for what it knows of the channel and the peer; None in clear."""
        handle = getattr(self.transport, "getHandle", None) if self.secure else None
        return cast(SSL.Connection, handle()) if handle is not None else None

    # Compression

    @property
    def compressed(self) -> bool:
        """Whether what is written is compressed."""
        return self._deflater is not None

    def compress(self) -> None:
        """From here on both sides compress; what is waiting in the stream is compressed already."""
        self._send(b"")
        self._inflater = Inflater(self._queue.some(len(self._queue)))
        self._deflater = Deflater()

    def end_compression(self) -> None:
        """The last octets that were written, and those that were read, are the last that are compressed."""
        if self._inflater is None or self._deflater is None:
            return
        self._send(b"")
        deflater, self._deflater = self._deflater, None
        if not self.lost and not self._closing:
            self._put(deflater.finish())
        self._inflater.end(self._queue)

    # Ends

    def close(self) -> None:
        """Send what was written, then close; a peer that does not take it is cut off after a while."""
        if self.lost or self._closing:
            return
        self._flush(MSG_MORE)  # the end goes with it
        self._closing = True
        transport = cast(Any, self.transport)
        transport.unregisterProducer()
        self._stop_timer()
        if self._is_empty():  # the reactor would only find that out, for six system calls
            transport.connectionLost(connectionDone)
            return
        if self._paused:
            self._resume_reading()
        self._timer = self._clock.callLater(LINGER, self.abort)
        transport.loseConnection()

    def dismiss(self, farewell: bytes) -> None:
        """Say farewell and close as soon as the session waits for the peer.

        A session that works at something finishes it first, and the peer reads the reply: otherwise it would
        have to think that nothing was done. The session's read raises ConnectionClosed.
        """
        self._farewell = farewell
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            self._part()
            arrival.errback(Failure(ConnectionClosed()))
        elif self._handshake is not None:
            self.close()

    def _part(self) -> None:
        self.write(self._farewell)
        self.close()

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Call when the connection is gone and its descriptor is free: at once, when that is so now."""
        if self.lost:
            callback()
        else:
            self._after = callback

    def abort(self) -> None:
        """Cut the connection now; what is written later does not go out."""
        self._wire, self._answers_together = None, False
        if not self.lost:
            cast(Any, self.transport).abortConnection()

    def connectionMade(self) -> None:
        """Twisted's: the connection is there."""
        transport = cast(Any, self.transport)
        transport.registerProducer(self, True)
        if isinstance(transport, Connection):
            self._wire, self._answers_together = transport, True
        self._awake_since = self._clock.seconds()
        self._opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: octets came. What comes after the dismissal is not read."""
        if self._closing or self._farewell:
            return
        arrival, line = self._arrival, None
        if self._inflater is not None:
            self._inflater.feed(data)
        elif arrival is None or (line := self._queue.as_line(data, self._wants_line)) is None:
            self._queue.feed(data)
        if arrival is not None:
            self._arrival = None
            self._awake_since = self._clock.seconds()
            arrival.ring(line)
        if self._arrival is not None:  # nearly always: it has taken all, and waits for more
            return
        if self.pending > READ_BUFFER and not (self._paused or self.lost or self._closing):
            self._paused = True
            cast(Any, self.transport).pauseProducing()

    def readConnectionLost(self) -> None:
        """Twisted's: the peer sends nothing more, but may still read the replies to what it has sent."""
        self._all_read = True
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            arrival.errback(Failure(ConnectionClosed()))

    def writeConnectionLost(self) -> None:
        """Twisted's: only after we have closed our side, which no session does by halves."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: it is over."""
        self._wire = None
        self.lost = True
        self._young.leave(self)
        self._stop_timer()
        waits: tuple[Deferred[Any] | None, ...] = self._arrival, self._room, self._handshake
        self._arrival = self._room = self._handshake = None
        self._bell.put_away()
        for one in waits:
            if one is not None:
                one.errback(Failure(ConnectionClosed()))
        self._after()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
