"""mailnode.net.deflate, and streams that compress, against zlib as a peer would use it."""

import itertools
import zlib
from collections.abc import Awaitable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.breath import Breather
from mailnode.net.deflate import PIECE, Deflater, Garbled, Inflater
from mailnode.net.stream import READ_BUFFER, BrokenCompression, ConnectionClosed, EndlessLine, Stream
from mailnode.wire.errors import LineTooLong
from mailnode.wire.framing import ByteQueue
from tests.net.test_stream import Wire

# Each a way in which a client may end its compression behind the last line.
FLUSHES = {
    "sync": (zlib.Z_SYNC_FLUSH,),
    "full": (zlib.Z_FULL_FLUSH,),
    "finish": (zlib.Z_FINISH,),
    "sync, then finish": (zlib.Z_SYNC_FLUSH, zlib.Z_FINISH),
}
LINES = st.lists(st.binary(max_size=300), max_size=8)
CLEAR = st.binary(max_size=60).map(lambda octets: b"b " + octets)  # a command begins with its tag


def deflated(data: bytes, *flushes: int, level: int = 6) -> bytes:
    """As a client compresses."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflate.compress(data) + b"".join(map(deflate.flush, flushes or (zlib.Z_SYNC_FLUSH,)))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces that end at these places."""
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[begin:end] for begin, end in itertools.pairwise([0, *ends, len(data)])]


def running(read: Awaitable[Any]) -> "Deferred[Any]":
    """A read that somebody waits for."""

    async def wait() -> Any:
        return await read

    return Deferred.fromCoroutine(wait())


class InflaterTests(SynchronousTestCase):
    """What comes in."""

    def inflated(self, pieces: list[bytes]) -> bytes:
        """All of it."""
        inflater, queue = Inflater(), ByteQueue()
        for piece in pieces:
            inflater.feed(piece)
            while inflater.into(queue):
                pass
        return queue.some(len(queue))

    @settings(deadline=None)
    @given(LINES, st.lists(st.integers(0, 5000), max_size=9), st.integers(0, 9))
    def test_any_split(self, lines: list[bytes], places: list[int], level: int) -> None:
        """However the octets are cut, what was deflated comes out."""
        data = b"\r\n".join(lines)
        self.assertEqual(self.inflated(cut(deflated(data, level=level), places)), data)

    def test_a_piece_at_a_time(self) -> None:
        """What inflates to 64 MiB is never there as a whole, and what has not come out waits as it came."""
        bomb = deflated(b"A" * 64 * 1024 * 1024)
        inflater, queue = Inflater(bomb), ByteQueue()
        total = 0
        while inflater.into(queue):
            self.assertLessEqual(len(queue), PIECE)
            self.assertLessEqual(len(inflater), len(bomb))
            total += len(queue.some(len(queue)))
        self.assertEqual((total, len(inflater)), (64 * 1024 * 1024, 0))

    def test_empty_blocks(self) -> None:
        """Blocks with nothing in them are no octets, and none of them is kept."""
        inflater, queue = Inflater(deflated(b"") * 20_000), ByteQueue()
        self.assertFalse(inflater.into(queue))
        self.assertEqual(len(inflater), 0)

    def test_garbled(self) -> None:
        """Octets that no deflater makes, and octets behind the end."""
        for raw in (b"b LOGIN me secret\r\n", b"\xff\xff\xff", deflated(b"x", zlib.Z_FINISH) + b"y"):
            self.assertRaises(Garbled, self.inflated, [raw])

    @settings(deadline=None)
    @given(LINES, CLEAR, st.sampled_from(sorted(FLUSHES)), st.lists(st.integers(0, 5000), max_size=9))
    def test_end(self, lines: list[bytes], clear: bytes, flush: str, places: list[int]) -> None:
        """Behind the last compressed line goes on what comes in clear, even in one segment with it."""
        data = b"".join(lines).replace(b"\n", b"") + b"\n"
        for level in (0, 1, 9):
            raw = deflated(data, *FLUSHES[flush], level=level) + clear
            inflater, queue = Inflater(), ByteQueue()
            read, ended = b"", False
            for piece in cut(raw, places):
                if inflater.over:
                    queue.feed(piece)
                    continue
                inflater.feed(piece)
                while not ended and inflater.into(queue):
                    read += queue.some((bytes(queue.octets[queue._start :]) + b"\n").index(b"\n") + 1)
                    if read.endswith(b"\n"):
                        ended = True
                        inflater.end(queue)
                if ended:
                    inflater.into(queue)
            self.assertEqual((read, queue.some(len(queue))), (data, clear))

    def test_more_behind_the_end(self) -> None:
        """Compressed octets where none may be are no clear ones; nor is a marker that never comes."""
        for behind in (b"b NOOP\r\n", b"a" * 300):
            inflater, queue = Inflater(deflated(b"a\r\n" + behind)), ByteQueue()
            self.assertTrue(inflater.into(queue))
            self.assertEqual(queue.line(100), b"a")
            inflater.end(queue)
            self.assertRaises(Garbled, inflater.into, queue)


class DeflaterTests(SynchronousTestCase):
    """What goes out."""

    @settings(deadline=None)
    @given(st.lists(LINES, max_size=4))
    def test_flushed(self, turns: list[list[bytes]]) -> None:
        """After a flush the peer has all that was taken; there is nothing in a second one."""
        deflater = Deflater()
        inflate = zlib.decompressobj(-15)
        for lines in turns:
            sent = b"".join(map(deflater.take, lines)) + deflater.flush()
            self.assertEqual(inflate.decompress(sent), b"".join(lines))
            self.assertEqual(deflater.flush(), b"")
        self.assertEqual(inflate.decompress(deflater.take(b"the end") + deflater.finish()), b"the end")
        self.assertTrue(inflate.eof)

    def test_small(self) -> None:
        """Replies cost a good part less."""
        deflater = Deflater()
        replies = b"".join(b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (n, n + 7) for n in range(1000))
        self.assertLess(len(deflater.take(replies) + deflater.flush()), len(replies) / 2)


class StreamTests(SynchronousTestCase):
    """A stream that compresses."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wire = Wire()
        self.stream = Stream(self.clock, opened=lambda _: None, breather=Breather(self.clock))
        self.stream.makeConnection(self.wire)
        self.stream.compress()
        self.inflate = zlib.decompressobj(-15)

    def heard(self) -> bytes:
        """What the peer has got."""
        return self.inflate.decompress(self.wire.take())

    def at_once(self, read: Awaitable[Any]) -> Any:
        """What is read without waiting for the peer."""
        done = running(read)
        self.clock.advance(0)
        return self.successResultOf(done)

    def test_both_ways(self) -> None:
        """Lines come in; what is written goes out when the session waits, in one flush."""
        self.stream.dataReceived(deflated(b"one\r\ntwo\r\nthr"))
        self.assertEqual([self.at_once(self.stream.line(99)) for _ in range(2)], [b"one", b"two"])
        self.stream.write(b"1\r\n")
        self.stream.write(b"2\r\n")
        self.assertEqual(self.wire.value(), b"")
        self.at_once(self.stream.drain())
        self.assertEqual(self.heard(), b"1\r\n2\r\n")
        self.stream.write(b"3\r\n")
        waiting = running(self.stream.line(99))
        self.assertEqual(self.heard(), b"3\r\n")
        self.stream.write(b"BYE\r\n")
        self.stream.close()
        self.assertEqual(self.heard(), b"BYE\r\n")
        self.stream.connectionLost()
        self.failureResultOf(waiting, ConnectionClosed)

    def test_written_through(self) -> None:
        """What cannot wait for the session goes out at once."""
        self.stream.write(b"1\r\n")
        self.stream.write_through(b"2\r\n")
        self.assertEqual(self.heard(), b"1\r\n2\r\n")

    def test_pipelined_behind_the_beginning(self) -> None:
        """What was waiting when compression began is compressed."""
        stream = Stream(self.clock, opened=lambda _: None)
        stream.makeConnection(Wire())
        stream.dataReceived(deflated(b"a\r\n"))
        stream.compress()
        self.assertEqual(self.at_once(stream.line(99)), b"a")

    def test_bomb(self) -> None:
        """A line without end is one, however small it is on the wire (I12)."""
        self.stream.dataReceived(deflated(b"A" * 64 * 1024 * 1024)[:READ_BUFFER])
        self.failureResultOf(running(self.stream.line(65536)), LineTooLong)
        self.failureResultOf(running(self.stream.line(65536)), EndlessLine)

    def test_back_pressure(self) -> None:
        """Who sends on while nobody reads is paused, and little of what was sent is inflated meanwhile."""
        raw = deflated(bytes(range(256)) * 8000, level=0)
        for begin in range(0, len(raw), 30_000):
            if self.wire.producerState == "producing":
                self.stream.dataReceived(raw[begin : begin + 30_000])
        self.assertEqual(self.wire.producerState, "paused")
        self.assertLess(self.stream.pending, READ_BUFFER + 30_001)
        while self.wire.producerState == "paused":
            self.assertLessEqual(len(self.at_once(self.stream.some(1 << 20))), PIECE)
            self.assertLess(len(self.stream._queue), PIECE + 1)

    def test_counted_octets(self) -> None:
        """What nothing comes out of wakes the reader, who goes on waiting."""
        waiting = running(self.stream.some(10))
        self.stream.dataReceived(deflated(b""))
        self.assertNoResult(waiting)
        self.stream.dataReceived(deflated(b"abc"))
        self.assertEqual(self.successResultOf(waiting), b"abc")

    def test_garbled(self) -> None:
        """Who does not compress is told so, compressed."""
        self.stream.dataReceived(b"b NOOP\r\n")
        self.failureResultOf(running(self.stream.line(99)), BrokenCompression)
        self.stream.write(b"BYE\r\n")
        self.stream.close()
        self.assertEqual(self.heard(), b"BYE\r\n")

    def test_half_closed(self) -> None:
        """Who has sent all still gets what was sent read."""
        self.stream.dataReceived(deflated(b"a\r\n" + b"x" * 3 * PIECE + b"\r\nb\r\n"))
        self.stream.readConnectionLost()
        lines = [self.at_once(self.stream.line(99_999)) for _ in range(3)]
        self.assertEqual(lines, [b"a", b"x" * 3 * PIECE, b"b"])
        self.failureResultOf(running(self.stream.line(99)), ConnectionClosed)

    def test_end(self) -> None:
        """Both directions go on in clear; what was written last ends the compressed data."""
        self.stream.dataReceived(deflated(b"a\r\n") + b"b\r\nc")
        self.assertEqual(self.at_once(self.stream.line(99)), b"a")
        self.stream.write(b"A\r\n")
        self.stream.end_compression()
        self.assertEqual(self.at_once(self.stream.line(99)), b"b")
        self.stream.write(b"B\r\n")
        self.assertEqual((self.heard(), self.inflate.eof), (b"A\r\n", True))
        self.assertEqual(self.inflate.unused_data, b"B\r\n")
        self.stream.dataReceived(b"d\r\n")
        self.assertEqual(self.at_once(self.stream.line(99)), b"cd")
        self.stream.end_compression()
        self.stream.compress()
        self.stream.dataReceived(deflated(b"e\r\n"))
        self.assertEqual(self.at_once(self.stream.line(99)), b"e")
