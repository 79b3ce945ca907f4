"""mailnode.net.stream and mailnode.net.blocking on a transport in memory and a clock that stands still."""

import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from threading import Thread
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.base import DelayedCall
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.blocking import PIECE, InlineExecutor, Lane, send
from mailnode.net.breath import BREATH
from mailnode.net.stream import (
    ENDLESS_LINE,
    LINGER,
    LOOK,
    READ_BUFFER,
    TOGETHER,
    ConnectionClosed,
    EndlessLine,
    Stream,
    TimedOut,
)
from mailnode.net.young import ROUND, Young
from mailnode.wire.dot import Decoder
from mailnode.wire.errors import BadLine, LineTooLong
from tests.net.sockets import SocketTestCase

WRITE_TIMEOUT = 300.0
SECONDS = 120.0  # till a test that hangs gives up


class TickingClock(Clock):
    """A clock on which every look at it takes a millisecond."""

    turns = 0

    def seconds(self) -> float:
        self.rightNow += 0.001
        return self.rightNow

    def callLater(self, when: float, what: Callable[..., object], *a: object, **kw: object) -> DelayedCall:
        self.turns += when == 0.0
        return super().callLater(when, what, *a, **kw)


class Wire(StringTransport):
    """A transport that can be upgraded to TLS, in name, and that tells its producer when it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.tls: object = None
        self.full_at = 1 << 30

    def startTLS(self, creator: object) -> None:
        self.tls = creator

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(self.value()) >= self.full_at and self.producer is not None:
            self.producer.pauseProducing()

    def take(self) -> bytes:
        """Read everything, as a peer that has time for it."""
        octets = self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return octets


class ManualExecutor:
    """An Executor whose jobs run when the test says so."""

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], None]] = deque()

    def run(self, function: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        result: Deferred[Any] = Deferred()

        def job() -> None:
            try:
                value = function(*args)
            except Exception:
                result.errback(Failure())
            else:
                result.callback(value)

        self.jobs.append(job)
        return result

    def step(self) -> None:
        self.jobs.popleft()()


class StreamTestCase(SynchronousTestCase):
    """A connected stream; at the end of each test no delayed call may be left."""

    def setUp(self) -> None:
        self.connect(Clock())

    def connect(self, clock: Clock) -> None:
        self.clock = clock
        self.opened: list[Stream] = []
        self.stream = Stream(clock, opened=self.opened.append, write_timeout=WRITE_TIMEOUT)
        self.wire = Wire()
        self.stream.makeConnection(self.wire)
        self.assertEqual(self.opened, [self.stream])

    def tearDown(self) -> None:
        if not self.stream.lost:
            self.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def lose(self) -> None:
        self.stream.connectionLost(Failure(ConnectionDone()))

    def go(self, awaitable: Awaitable[Any]) -> "Deferred[Any]":
        async def session() -> Any:
            return await awaitable

        return Deferred.fromCoroutine(session())


# octets on the wire, what line(8) gives for them in turn
LINES: tuple[tuple[bytes, tuple[object, ...]], ...] = (
    (b"\r\n", (b"",)),
    (b"a\r\nbc\r\n", (b"a", b"bc")),
    (b"12345678\r\nx\r\n", (b"12345678", b"x")),
    (b"123456789\r\nx\r\n", (LineTooLong, b"x")),
    (b"a\nb\r\nx\r\n", (BadLine, b"b", b"x")),
    (b"a\rb\r\n\r\r\n", (b"a\rb", b"\r")),
)


async def read_lines(stream: Stream, found: list[object], limit: int) -> None:
    """Read lines until the connection is lost."""
    while True:
        try:
            found.append(await stream.line(limit))
        except BadLine as error:
            found.append(type(error))


class Reading(StreamTestCase):
    """line(), exactly(), some(), dotted()"""

    def test_every_split(self) -> None:
        """Lines come out the same however the octets are cut into segments."""
        for octets, expected in LINES:
            for cut in range(len(octets) + 1):
                for pieces in (
                    [octets[:cut], octets[cut:]],
                    [octets[at : at + 1] for at in range(len(octets))],
                ):
                    self.connect(Clock())
                    found: list[object] = []
                    session = self.go(read_lines(self.stream, found, 8))
                    for piece in pieces:
                        self.stream.dataReceived(piece)
                    self.assertEqual(tuple(found), expected, (octets, cut))
                    self.lose()
                    self.failureResultOf(session, ConnectionClosed)
                    self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_left_while_it_breathes(self) -> None:
        """Who leaves a read leaves the line, also where it has come and others go first."""
        self.stream.dataReceived(b"a\r\nb\r\n")
        self.clock.rightNow += 100  # who is awake for so long breathes
        left = self.go(self.stream.line(8))
        self.assertNoResult(left)
        left.cancel()
        self.failureResultOf(left, CancelledError)
        self.clock.advance(0)
        found: list[object] = []
        self.failureResultOf(self.left(read_lines(self.stream, found, 8)), CancelledError)
        self.assertEqual(found, [b"a", b"b"])

    def test_left_while_it_waits(self) -> None:
        """So it does before the line has come, again and again; what has come of it is kept."""
        for octets in (b"a", b"b", b"\r", b"\nc\r\n"):
            left = self.go(self.stream.line(8))
            left.cancel()
            self.failureResultOf(left, CancelledError)
            self.stream.dataReceived(octets)
        found: list[object] = []
        self.failureResultOf(self.left(read_lines(self.stream, found, 8)), CancelledError)
        self.assertEqual(found, [b"ab", b"c"])

    def left(self, awaitable: Awaitable[Any]) -> "Deferred[Any]":
        """Let it do what it can, and leave."""
        reading = self.go(awaitable)
        self.clock.advance(0)
        reading.cancel()
        return reading

    def test_endless_line(self) -> None:
        """An over-long line is read past, but not for ever, however it comes (I22)."""
        for piece in (1000, 4000, 100_000):
            for size, end in ((8 + ENDLESS_LINE - 2, ()), (8 + ENDLESS_LINE - 1, (EndlessLine,))):
                self.connect(Clock())
                found: list[object] = []
                session = self.go(read_lines(self.stream, found, 8))
                octets = b"x" * size + b"\r\nNOOP\r\n"
                for start in range(0, len(octets), piece):
                    self.stream.dataReceived(octets[start : start + piece])
                self.assertEqual(found, [LineTooLong] if end else [LineTooLong, b"NOOP"], (piece, size))
                self.lose()
                self.failureResultOf(session, *end or (ConnectionClosed,))

    def test_peek(self) -> None:
        """The next octet can be looked at, and is still there."""
        waiting = self.go(self.stream.peek())
        self.stream.dataReceived(b"ab\r\n")
        self.assertEqual(self.successResultOf(waiting), b"a")
        self.assertEqual(self.successResultOf(self.go(self.stream.peek())), b"a")
        self.assertEqual(self.successResultOf(self.go(self.stream.line(9))), b"ab")
        silent = self.go(self.stream.peek())
        self.clock.advance(self.stream.timeout)
        self.failureResultOf(silent, TimedOut)

    def test_buffered_costs_no_deferred(self) -> None:
        """What is in the buffer already is given without waiting, and without a timer."""
        self.stream.dataReceived(b"a\r\nbcdef")
        self.assertEqual(self.successResultOf(self.go(self.stream.line(10))), b"a")
        self.assertEqual(self.successResultOf(self.go(self.stream.exactly(2))), b"bc")
        self.assertEqual(self.successResultOf(self.go(self.stream.some(2))), b"de")
        self.assertEqual(self.stream.pending, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_exactly_waits(self) -> None:
        """exactly() waits until all of it is there, and leaves what follows."""
        wanted = self.go(self.stream.exactly(4))
        self.stream.dataReceived(b"abc")
        self.assertNoResult(wanted)
        self.stream.dataReceived(b"de")
        self.assertEqual(self.successResultOf(wanted), b"abcd")
        self.assertEqual(self.stream.pending, 1)

    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.integers(0, 40), max_size=6))
    def test_dotted(self, cuts: list[int]) -> None:
        """A dot-ended body is decoded, and what follows its end stays for the next line()."""
        self.connect(Clock())
        octets = b"a\r\n..b\r\n.\r\nNOOP\r\n"
        content: list[bytes] = []

        async def session() -> bytes:
            decoder = Decoder()
            while not decoder.finished:
                content.append(await self.stream.dotted(decoder))
            return await self.stream.line(10)

        done = Deferred.fromCoroutine(session())
        edges = [0, *sorted(cuts), len(octets)]
        for start, end in zip(edges, [*edges[1:], len(octets)], strict=True):
            if octets[start:end]:
                self.stream.dataReceived(octets[start:end])
        self.assertEqual(self.successResultOf(done), b"NOOP")
        self.assertEqual(b"".join(content), b"a\r\n.b\r\n")
        self.lose()

    def test_pipelined(self) -> None:
        """20,000 lines in one segment: no recursion, all in order, and the reactor gets its turns."""
        clock = TickingClock()
        self.connect(clock)
        found: list[object] = []
        session = self.go(read_lines(self.stream, found, 20))
        self.stream.dataReceived(b"".join(b"%d\r\n" % number for number in range(20_000)))
        self.assertLess(len(found), 100)
        meanwhile: list[int] = []
        clock.callLater(0, lambda: meanwhile.append(len(found)))
        clock.advance(0)
        self.assertLess(meanwhile[0], 200)
        self.assertGreater(clock.turns, 1000)
        self.assertEqual(found, [b"%d" % number for number in range(20_000)])
        self.lose()
        self.failureResultOf(session, ConnectionClosed)

    def test_reads_what_came_before_the_end(self) -> None:
        """Commands that were sent before the peer closed are still given, then ConnectionClosed."""
        self.stream.dataReceived(b"a\r\nb\r\n")
        self.lose()
        self.assertEqual(self.successResultOf(self.go(self.stream.line(10))), b"a")
        self.assertEqual(self.successResultOf(self.go(self.stream.line(10))), b"b")
        for read in (self.stream.line(10), self.stream.exactly(1), self.stream.some(1)):
            self.failureResultOf(self.go(read), ConnectionClosed)


class ReadingPressure(StreamTestCase):
    """Back-pressure on what the peer sends."""

    def test_paused_and_resumed(self) -> None:
        """Unread octets beyond READ_BUFFER pause the transport until half of it has been read."""
        self.stream.dataReceived(b"x" * READ_BUFFER)
        self.assertEqual(self.wire.producerState, "producing")
        self.stream.dataReceived(b"x")
        self.assertEqual(self.wire.producerState, "paused")
        self.successResultOf(self.go(self.stream.exactly(READ_BUFFER // 4)))
        self.assertEqual(self.wire.producerState, "paused")
        self.successResultOf(self.go(self.stream.exactly(READ_BUFFER // 2)))
        self.assertEqual(self.wire.producerState, "producing")

    def test_resumed_by_what_was_expected(self) -> None:
        """Octets that are accepted are read as others are; others stay."""
        self.stream.dataReceived(b"x" * (READ_BUFFER + 1))
        self.assertFalse(self.stream.accept(b"y"))
        self.assertTrue(self.stream.accept(b"x" * (READ_BUFFER // 4)))
        self.assertEqual(self.wire.producerState, "paused")
        self.assertTrue(self.stream.accept(b"x" * (READ_BUFFER // 2)))
        self.assertEqual(self.wire.producerState, "producing")

    def test_waiting_for_more_than_the_buffer(self) -> None:
        """Whoever waits for more than the buffer holds gets it; nobody waits for each other."""
        wanted = self.go(self.stream.exactly(3 * READ_BUFFER))
        for _ in range(3):
            self.assertEqual(self.wire.producerState, "producing")
            self.stream.dataReceived(b"x" * READ_BUFFER)
        self.assertEqual(len(self.successResultOf(wanted)), 3 * READ_BUFFER)

        self.stream.dataReceived(b"x" * (READ_BUFFER + 1))
        self.assertEqual(self.wire.producerState, "paused")
        wanted = self.go(self.stream.exactly(2 * READ_BUFFER))
        self.assertEqual(self.wire.producerState, "producing")
        self.stream.dataReceived(b"x" * READ_BUFFER)
        self.assertEqual(len(self.successResultOf(wanted)), 2 * READ_BUFFER)

    def test_closing_reads_on(self) -> None:
        """A closing connection is never paused, or its end would not be seen."""
        self.stream.dataReceived(b"x" * (READ_BUFFER + 1))
        self.assertEqual(self.wire.producerState, "paused")
        self.stream.close()
        self.assertEqual(self.wire.producerState, "producing")
        self.stream.dataReceived(b"x" * READ_BUFFER)
        self.assertEqual(self.wire.producerState, "producing")

    def test_closed_by_what_came(self) -> None:
        """Nor when the session closes in the middle of a large segment."""

        async def session() -> None:
            await self.stream.line(10)
            self.stream.close()

        done = Deferred.fromCoroutine(session())
        self.stream.dataReceived(b"QUIT\r\n" + b"x" * (READ_BUFFER + 1))
        self.successResultOf(done)
        self.assertEqual(self.wire.producerState, "producing")


class Beginning(StreamTestCase):
    """The time-outs of connections that have begun lately, which share a timer."""

    def connect(self, clock: Clock) -> None:
        self.clock = clock
        self.young = Young(clock)
        self.stream = self.another()

    def another(self) -> Stream:
        """One more connection."""
        stream = Stream(self.clock, opened=lambda _: None, young=self.young)
        stream.makeConnection(Wire())
        return stream

    def test_time_out(self) -> None:
        """Each has its own time, however many there are and whenever they began."""
        times = (ROUND / 2, ROUND, ROUND * 1.5, ROUND * 9, 300.0)
        ends: list[tuple[float, float]] = []
        streams = [self.another() for _ in times]
        for stream, timeout in zip(streams, times, strict=True):
            self.clock.advance(ROUND / 8)
            stream.timeout = timeout
            due = self.clock.seconds() + timeout
            waits = self.go(stream.line(9))
            waits.addErrback(lambda failure, due=due: ends.append((due, self.clock.seconds())))
        self.clock.pump([ROUND / 16] * 1000)
        self.assertEqual([due for due, _ in ends], [end for _, end in ends])
        self.assertEqual(len(ends), len(times))
        for stream in streams:
            stream.connectionLost(Failure(ConnectionDone()))

    def test_clock_set_back(self) -> None:
        """Who begins after the clock was set back does not wait for a round that began before."""
        self.clock.advance(10_000)
        self.go(self.stream.line(9)).addErrback(lambda _: None)
        self.clock.rightNow -= 3600
        late = self.another()
        waits = self.go(late.line(9))
        self.clock.advance(late.timeout - 1)
        self.assertNoResult(waits)
        self.clock.advance(1)
        self.failureResultOf(waits, TimedOut)
        late.connectionLost(Failure(ConnectionDone()))


class Writing(StreamTestCase):
    """write() and drain()"""

    def test_room(self) -> None:
        """drain() returns at once while the peer keeps up."""
        self.stream.write(b"a")
        self.successResultOf(self.go(self.stream.drain()))
        self.assertEqual(self.wire.value(), b"a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_with_what_follows(self) -> None:
        """A little waits for what follows it, for a drain, a read or the end; much of it does not."""
        for then, wire in (
            (lambda: self.stream.write(b"b"), b"ab"),
            (lambda: self.stream.write_through(b""), b"a"),
            (lambda: self.successResultOf(self.go(self.stream.drain())), b"a"),
            (lambda: self.go(self.stream.line(10)).addErrback(lambda _: None), b"a"),
            (lambda: self.stream.close(), b"a"),
        ):
            self.stream.write_with_next(b"a")
            self.assertEqual(self.wire.take(), b"")
            then()
            self.assertEqual(self.wire.take(), wire)

    def test_much_does_not_wait(self) -> None:
        """What is much goes out at once, behind what is held."""
        self.stream.write_with_next(b"a")
        self.stream.write_with_next(b"b" * TOGETHER)
        self.assertEqual(self.wire.take(), b"a" + b"b" * TOGETHER)

    def test_waits_for_room(self) -> None:
        """drain() waits while the transport is full, and no timer is left behind."""
        self.wire.full_at = 3
        self.stream.write(b"abc")
        drained = self.go(self.stream.drain())
        self.assertNoResult(drained)
        self.assertEqual(self.wire.take(), b"abc")
        self.successResultOf(drained)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_room_on_a_lost_connection(self) -> None:
        """A transport that is lost stops its producer first: that is no room, and drain() raises."""
        self.wire.full_at = 3
        self.stream.write(b"abc")
        drained = self.go(self.stream.drain())
        self.stream.stopProducing()
        self.assertNoResult(drained)
        self.lose()
        self.failureResultOf(drained, ConnectionClosed)

    def test_stall_aborts(self) -> None:
        """A peer that reads nothing for the write time-out is cut off."""
        self.wire.full_at = 3
        self.stream.write(b"abc")
        drained = self.go(self.stream.drain())
        self.clock.advance(WRITE_TIMEOUT - 1)
        self.assertFalse(self.wire.disconnected)
        self.clock.advance(1)
        self.assertTrue(self.wire.disconnected)
        self.lose()
        self.failureResultOf(drained, ConnectionClosed)

    def test_lost_while_draining(self) -> None:
        """A connection that goes away while the writer waits raises ConnectionClosed there."""
        self.wire.full_at = 1
        self.stream.write(b"abc")
        drained = self.go(self.stream.drain())
        self.lose()
        self.failureResultOf(drained, ConnectionClosed)
        self.failureResultOf(self.go(self.stream.drain()), ConnectionClosed)
        self.stream.write(b"nobody reads this")
        self.assertEqual(self.wire.value(), b"abc")


class Ends(StreamTestCase):
    """Time-outs and the ends of a connection."""

    def test_timeout(self) -> None:
        """A line has `timeout` seconds to come as a whole; dribbling does not prolong it."""
        self.stream.timeout = 10.0
        wanted = self.go(self.stream.line(100))
        for _ in range(9):
            self.clock.advance(1)
            self.stream.dataReceived(b"x")
        self.assertNoResult(wanted)
        self.clock.advance(1)
        self.failureResultOf(wanted, TimedOut)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeout_moves(self) -> None:
        """Each line has its own time, shorter or longer than the last."""
        self.stream.timeout = 100.0
        first = self.go(self.stream.line(100))
        self.clock.advance(90)
        self.stream.dataReceived(b"a\r\n")
        self.successResultOf(first)
        self.stream.timeout = 5.0
        second = self.go(self.stream.line(100))
        self.clock.advance(4.9)
        self.stream.dataReceived(b"b\r\n")
        self.successResultOf(second)
        self.stream.timeout = 50.0
        third = self.go(self.stream.line(100))
        self.clock.pump([10.0] * 4)
        self.assertNoResult(third)
        self.clock.advance(10)
        self.failureResultOf(third, TimedOut)

    def test_timeout_that_is_long(self) -> None:
        """A session that waits for long is looked at meanwhile, by one timer, and ended to the second."""
        self.stream.timeout = 5 * LOOK
        wanted = self.go(self.stream.line(100))
        for _ in range(int(5 * LOOK) - 1):
            self.clock.advance(1)
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertNoResult(wanted)
        self.clock.advance(1)
        self.failureResultOf(wanted, TimedOut)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_timeout_between_reads(self) -> None:
        """The clock runs for reads only: a session that works does not time out."""
        self.stream.timeout = 10.0
        wanted = self.go(self.stream.line(100))
        self.stream.dataReceived(b"a\r\n")
        self.successResultOf(wanted)
        self.clock.advance(100)
        self.stream.dataReceived(b"b\r\n")
        wanted = self.go(self.stream.line(100))
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(wanted), b"b")

    def test_lost_while_reading(self) -> None:
        """A connection lost under a reader raises ConnectionClosed there and leaves no timer."""
        for name, count in (("line", 10), ("exactly", 5), ("some", 5)):
            self.connect(Clock())
            wanted = self.go(getattr(self.stream, name)(count))
            self.lose()
            self.failureResultOf(wanted, ConnectionClosed)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_half_closed(self) -> None:
        """A peer that sends its commands and closes its side reads all the replies."""
        found: list[object] = []

        async def session() -> None:
            while True:
                found.append(await self.stream.line(10))
                self.stream.write(b"ok\r\n")
                await self.stream.drain()

        running = self.go(session())
        self.stream.dataReceived(b"a\r\nb\r\nc")
        self.stream.readConnectionLost()
        self.failureResultOf(running, ConnectionClosed)
        self.assertEqual((found, self.wire.value()), ([b"a", b"b"], b"ok\r\nok\r\n"))
        self.stream.writeConnectionLost()

    def test_close(self) -> None:
        """close() lets the transport finish, takes nothing more, and cuts off a peer that does not read."""
        self.stream.write(b"bye")
        self.stream.close()
        self.stream.close()
        self.assertTrue(self.wire.disconnecting)
        self.assertFalse(self.wire.disconnected)
        self.stream.write(b"more")
        self.stream.dataReceived(b"NOOP\r\n")
        self.assertEqual((self.wire.value(), self.stream.pending), (b"bye", 0))
        self.failureResultOf(self.go(self.stream.line(10)), ConnectionClosed)
        self.failureResultOf(self.go(self.stream.drain()), ConnectionClosed)
        self.clock.advance(LINGER - 1)
        self.assertFalse(self.wire.disconnected)
        self.clock.advance(1)
        self.assertTrue(self.wire.disconnected)

    def test_when_lost(self) -> None:
        """Who asks is told when the connection is gone, and not when it is only closed; at once if it is."""
        told: list[int] = []
        self.stream.when_lost(lambda: told.append(1))
        self.stream.close()
        self.assertEqual(told, [])
        self.lose()
        self.stream.when_lost(lambda: told.append(2))
        self.assertEqual(told, [1, 2])

    def test_close_while_reading(self) -> None:
        """Whoever closes under the session does not wake it; the end of the connection does."""
        wanted = self.go(self.stream.line(10))
        self.stream.close()
        self.assertNoResult(wanted)
        self.lose()
        self.failureResultOf(wanted, ConnectionClosed)

    def test_abort(self) -> None:
        """abort() cuts at once; on a lost connection it does nothing."""
        self.stream.abort()
        self.assertTrue(self.wire.disconnected)
        self.lose()
        self.wire.disconnected = False
        self.stream.abort()
        self.stream.close()
        self.assertFalse(self.wire.disconnected)


class Dismissal(StreamTestCase):
    """dismiss(): sent away, but not in the middle of something"""

    def serve(self) -> "tuple[deque[Deferred[None]], Deferred[Any]]":
        """A session that answers each line when its work is done; gives the works, and the session."""
        works: deque[Deferred[None]] = deque()

        async def session() -> None:
            while True:
                line = await self.stream.line(100)
                works.append(Deferred())
                await works[-1]
                self.stream.write(line + b" OK\r\n")
                await self.stream.drain()

        return works, self.go(session())

    def test_waiting(self) -> None:
        """A session that waits for its peer ends at once, and the peer reads why."""
        _, session = self.serve()
        self.stream.dismiss(b"bye\r\n")
        self.failureResultOf(session, ConnectionClosed)
        self.assertEqual(self.wire.value(), b"bye\r\n")
        self.assertTrue(self.wire.disconnecting)

    def test_working(self) -> None:
        """A session that works finishes it; the peer reads the reply to what was done, then the farewell."""
        works, session = self.serve()
        self.stream.dataReceived(b"a\r\n")
        self.stream.dismiss(b"bye\r\n")
        self.assertEqual((self.wire.value(), self.wire.disconnecting), (b"", False))
        works.popleft().callback(None)
        self.failureResultOf(session, ConnectionClosed)
        self.assertEqual(self.wire.value(), b"a OK\r\nbye\r\n")
        self.assertTrue(self.wire.disconnecting)

    def test_pipelined(self) -> None:
        """What the peer had sent before is answered as well."""
        works, session = self.serve()
        self.stream.dataReceived(b"a\r\nb\r\nc")
        self.stream.dismiss(b"bye\r\n")
        while works:
            works.popleft().callback(None)
        self.failureResultOf(session, ConnectionClosed)
        self.assertEqual(self.wire.value(), b"a OK\r\nb OK\r\nbye\r\n")

    def test_flooded(self) -> None:
        """Who goes on to send is not heard any more, and goes."""
        works, session = self.serve()
        self.stream.dataReceived(b"a\r\n")
        self.stream.dismiss(b"bye\r\n")
        for _ in range(3):
            self.stream.dataReceived(b"more\r\n")
        works.popleft().callback(None)
        self.failureResultOf(session, ConnectionClosed)
        self.assertEqual(self.wire.value(), b"a OK\r\nbye\r\n")

    def test_in_handshake(self) -> None:
        """Who shakes hands is sent away without a word: there is no reply to wait for."""
        done = self.go(self.stream.start_tls(cast(Any, object()), timeout=15))
        self.stream.dismiss(b"bye\r\n")
        self.assertEqual((self.wire.value(), self.wire.disconnecting), (b"", True))
        self.lose()
        self.failureResultOf(done, ConnectionClosed)

    def test_gone(self) -> None:
        """On a lost connection nothing is written."""
        works, session = self.serve()
        self.stream.dataReceived(b"a\r\n")
        self.lose()
        self.stream.dismiss(b"bye\r\n")
        works.popleft().callback(None)
        self.failureResultOf(session, ConnectionClosed)
        self.assertEqual(self.wire.value(), b"")


class StartTls(StreamTestCase):
    """start_tls()"""

    CREATOR: Any = object()

    def test_upgrade(self) -> None:
        """The session goes on when the handshake is done."""
        done = self.go(self.stream.start_tls(self.CREATOR, timeout=15))
        self.assertIs(self.wire.tls, self.CREATOR)
        self.assertNoResult(done)
        self.stream.handshakeCompleted()
        self.successResultOf(done)
        self.assertTrue(self.stream.secure)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_residue(self) -> None:
        """Octets in clear behind the command (CVE-2011-0411) cut the connection, unread (T3)."""
        self.stream.dataReceived(b"STLS\r\nUSER u\r\n")
        self.successResultOf(self.go(self.stream.line(10)))
        self.failureResultOf(self.go(self.stream.start_tls(self.CREATOR, timeout=15)), ConnectionClosed)
        self.assertIsNone(self.wire.tls)
        self.assertTrue(self.wire.disconnected)

    def test_stalled_handshake(self) -> None:
        """A handshake that takes too long is cut off (T14)."""
        done = self.go(self.stream.start_tls(self.CREATOR, timeout=15))
        self.clock.advance(15)
        self.assertTrue(self.wire.disconnected)
        self.lose()
        self.failureResultOf(done, ConnectionClosed)

    def test_lost_in_handshake(self) -> None:
        """A handshake that fails ends in ConnectionClosed."""
        done = self.go(self.stream.start_tls(self.CREATOR, timeout=15))
        self.lose()
        self.failureResultOf(done, ConnectionClosed)

    def test_after_the_end(self) -> None:
        """Nothing is started on a connection that is gone."""
        self.lose()
        self.failureResultOf(self.go(self.stream.start_tls(self.CREATOR, timeout=15)), ConnectionClosed)


class AtOnce(SocketTestCase):
    """What is written to a socket goes out without a turn of the reactor where that is possible."""

    def test_this_end(self) -> None:
        """The address of our end is that of the socket; on a UNIX socket there is none."""
        self.assertEqual(self.stream.local, "127.0.0.1")
        for end in socket.socketpair(socket.AF_UNIX):
            self.addCleanup(end.close)
            self.transport.socket = end
        self.assertEqual(self.stream.local, "")

    def test_small(self) -> None:
        """A reply goes out at once, and the reactor is not asked for anything."""
        for reply in (b"one\r\n", b"two\r\n"):
            self.stream.write(reply)
            self.assertEqual(self.arrived(len(reply)), reply)
        self.assertEqual(self.reactor.getWriters(), [])

    def test_large(self) -> None:
        """What the kernel does not take waits, and all that follows waits behind it."""
        text = bytes(range(256)) * 40_000
        self.stream.write(text)
        self.stream.write(b"behind")
        self.assertEqual(self.reactor.getWriters(), [self.transport])
        reading = Thread(target=lambda: found.append(self.arrived(len(text) + 15)))
        found: list[bytes] = []
        reading.start()
        self.stream.write(b" and last")
        while self.reactor.getWriters():
            self.turn()
        reading.join()
        self.assertTrue(found == [text + b"behind and last"])
        self.stream.write(b"again")
        self.assertEqual(self.arrived(5), b"again")

    def test_more_commands(self) -> None:
        """While commands wait that came earlier, replies are gathered: for a turn of the reactor at most."""
        for commands, turns in ((b"one\r\ntwo\r\n", 0), (b"one\r\ntwo\r\nthree\r\n", 1)):
            self.stream.dataReceived(commands)
            for line in (b"one", b"two"):
                self.assertTrue(self.nothing_arrived())
                read = Deferred.fromCoroutine(self.stream.line(100))
                self.assertEqual(self.successResultOf(read), line)
                self.stream.write(line)
                self.successResultOf(Deferred.fromCoroutine(self.stream.drain()))
            for _ in range(turns):
                self.assertTrue(self.nothing_arrived())
                self.clock.advance(0)
            self.assertEqual(self.arrived(6), b"onetwo")
        self.assertEqual(self.reactor.getWriters(), [])
        self.stream.write(b"a")
        self.stream.write(b"b" * TOGETHER)
        self.assertEqual(self.arrived(TOGETHER + 1), b"a" + b"b" * TOGETHER)

    def test_before_compression(self) -> None:
        """What was held before compression begins goes out as it is, and what follows behind it."""
        self.stream.dataReceived(b"one\r\ntwo")
        self.successResultOf(Deferred.fromCoroutine(self.stream.line(100)))
        self.stream.write(b"yes\r\n")
        self.stream.compress()
        self.assertEqual(self.arrived(5), b"yes\r\n")
        self.stream.write(b"compressed")
        self.stream.end_compression()
        self.assertNotIn(b"compressed", self.peer.recv(100))

    def test_gone(self) -> None:
        """A peer that is gone is the reactor's to find."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # with a reset
        self.peer.close()
        self.stream.write(b"anybody?")
        self.assertEqual(self.reactor.getWriters(), [self.transport])
        self.assertFalse(self.stream.lost)

    def test_aborted(self) -> None:
        """After abort() not an octet goes out."""
        self.stream.write(b"half")
        self.transport.abortConnection = lambda: None  # as it is until the reactor's next turn
        self.stream.abort()
        self.stream.write(b"rest")
        self.assertEqual(self.arrived(4), b"half")
        self.assertTrue(self.nothing_arrived())

    def test_others_get_their_turn(self) -> None:
        """Who writes on and on to a peer that takes it all lets the reactor work in between."""

        async def forever() -> None:
            while True:
                self.clock.rightNow += BREATH / 2.5
                self.stream.write(b"more")
                await self.stream.drain()

        writing = Deferred.fromCoroutine(forever())
        for _ in range(3):
            self.assertEqual(self.arrived(12), b"more" * 3)
            self.assertTrue(self.nothing_arrived())
            self.clock.calls.pop().func()
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.clock.advance(0)
        self.failureResultOf(writing, ConnectionClosed)


class Lanes(SynchronousTestCase):
    """Lane and InlineExecutor"""

    def test_in_order_one_at_a_time(self) -> None:
        """Jobs of a lane run one after the other; the next one starts when the one before has ended."""
        executor = ManualExecutor()
        lane = Lane(executor)
        ran: list[int] = []
        results = [lane.run(ran.append, number) for number in range(3)]
        for number in range(3):
            self.assertEqual(len(executor.jobs), 1)
            self.assertNoResult(results[number])
            executor.step()
            self.successResultOf(results[number])
        self.assertEqual(ran, [0, 1, 2])
        self.assertFalse(executor.jobs)

    def test_failure_is_one_jobs_own(self) -> None:
        """A job that raises fails for who asked for it; the next one runs."""
        for executor in (ManualExecutor(), InlineExecutor()):
            lane = Lane(executor)
            bad, good = lane.run(int, "x"), lane.run(int, "7")
            if isinstance(executor, ManualExecutor):
                executor.step()
                executor.step()
            self.failureResultOf(bad, ValueError)
            self.assertEqual(self.successResultOf(good), 7)

    def test_lanes_do_not_wait_for_each_other(self) -> None:
        """Two lanes on one executor have a job running each."""
        executor = ManualExecutor()
        one, two = Lane(executor), Lane(executor)
        first, second = one.run(int, "1"), two.run(int, "2")
        self.assertEqual(len(executor.jobs), 2)
        executor.jobs.reverse()
        executor.step()
        self.successResultOf(second)
        self.assertNoResult(first)
        executor.step()
        self.successResultOf(first)

    def test_many_jobs(self) -> None:
        """Thousands of waiting jobs do not recurse."""
        executor = ManualExecutor()
        lane = Lane(executor)
        ran: list[int] = []
        for number in range(5000):
            lane.run(ran.append, number)
        while executor.jobs:
            executor.step()
        self.assertEqual(len(ran), 5000)

    def test_jobs_given_by_a_job(self) -> None:
        """A result may lead to the next job at once."""
        lane = Lane(InlineExecutor())

        async def session() -> int:
            total = 0
            for number in range(2000):
                total += await lane.run(int, number)
            return total

        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(session())), 1999000)


class Sending(StreamTestCase):
    """send(): a generator in a lane, to a stream"""

    def setUp(self) -> None:
        super().setUp()
        self.given = 0
        self.closed = False

    def chunks(self, count: int, size: int = 1000) -> Iterator[bytes]:
        try:
            for number in range(count):
                self.given += 1
                yield b"%c" % (97 + number % 26) * size
        finally:
            self.closed = True

    def test_whole(self) -> None:
        """Everything arrives, in order, and the generator has ended."""
        done = self.go(send(self.stream, Lane(InlineExecutor()), self.chunks(300)))
        self.successResultOf(done)
        self.assertEqual(self.wire.value(), b"".join(self.chunks(300)))
        self.assertTrue(self.closed)

    def test_as_fast_as_the_peer_reads(self) -> None:
        """No more than two pieces are taken from the generator beyond what the peer has room for."""
        self.wire.full_at = 1
        done = self.go(send(self.stream, Lane(InlineExecutor()), self.chunks(1000)))
        most = PIECE // 1000 + 1
        taken = b""
        for turn in range(1, 10_000):
            self.assertLessEqual(self.given, (turn + 1) * most)
            if done.called:
                break
            taken += self.wire.take()
        self.successResultOf(done)
        self.assertEqual(len(taken + self.wire.value()), 1_000_000)

    def test_first_what_is_there(self) -> None:
        """A piece is written before the next one is made: who waits for it has it that much sooner."""
        seen: list[int] = []

        class Looking(InlineExecutor):
            def run(_, function: Any, *args: Any) -> Any:
                seen.append(len(self.wire.value()))
                return super().run(function, *args)

        self.successResultOf(self.go(send(self.stream, Lane(Looking()), self.chunks(300, PIECE // 100))))
        self.assertEqual(seen, [0, PIECE // 100 * 101, PIECE // 100 * 202])

    def test_lost_while_sending(self) -> None:
        """When the connection goes, the generator is closed, in the lane."""
        self.wire.full_at = 1
        executor = ManualExecutor()
        done = self.go(send(self.stream, Lane(executor), self.chunks(1000)))
        executor.step()
        self.lose()
        executor.step()  # the next piece was asked for already
        self.assertNoResult(done)
        self.assertFalse(self.closed)
        executor.step()
        self.failureResultOf(done, ConnectionClosed)
        self.assertTrue(self.closed)

    def test_lost_in_a_job(self) -> None:
        """A job that was started is finished, then the session learns that nobody is there any more."""
        executor = ManualExecutor()
        done = self.go(send(self.stream, Lane(executor), self.chunks(1000)))
        self.lose()
        self.assertNoResult(done)
        executor.step()
        self.assertNoResult(done)
        executor.step()  # the next piece was asked for already
        self.assertNoResult(done)
        executor.step()
        self.failureResultOf(done, ConnectionClosed)
        self.assertTrue(self.closed)

    def test_other_jobs_get_their_turn(self) -> None:
        """Between two slices another job of the same lane runs."""
        executor = ManualExecutor()
        lane = Lane(executor)
        done = self.go(send(self.stream, lane, self.chunks(1000)))
        other = lane.run(int, "1")
        executor.step()
        executor.step()
        self.successResultOf(other)
        self.assertNoResult(done)
        while executor.jobs:
            executor.step()
        self.successResultOf(done)

    def test_generator_fails(self) -> None:
        """An error in the generator goes to the session; what came before it has been written."""

        def broken() -> Iterator[bytes]:
            yield b"x" * PIECE
            raise OSError(5, "Input/output error")

        self.failureResultOf(self.go(send(self.stream, Lane(InlineExecutor()), broken())), OSError)
        self.assertEqual(len(self.wire.value()), PIECE)

    def test_session_after_lost_job(self) -> None:
        """A session that waited for its lane while the connection went learns it at the next read."""
        executor = ManualExecutor()
        lane = Lane(executor)
        steps: list[str] = []

        async def session() -> None:
            steps.append(str(await lane.run(int, "7")))
            await self.stream.line(10)

        done = Deferred.fromCoroutine(session())
        self.lose()
        self.assertNoResult(done)
        executor.step()
        self.failureResultOf(done, ConnectionClosed)
        self.assertEqual(steps, ["7"])
