"""send() to a real socket: all octets in order, whoever sends them, and none to anybody else."""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mailnode.net import blocking, stream
from mailnode.net.blocking import PIECE, InlineExecutor, Lane, send
from mailnode.net.stream import ConnectionClosed
from tests.net.sockets import SECONDS, SocketTestCase

CHUNK = PIECE // 4


def octets(number: int, size: int) -> bytes:
    """A chunk that tells which it is."""
    return (b"%d " % number * size)[:size]


class Pushing(SocketTestCase):
    """What follows the first piece is sent from the lane, as far as the peer takes it."""

    def setUp(self) -> None:
        super().setUp()
        self.executor = InlineExecutor()
        self.lane = Lane(self.executor)
        self.closed = False
        self.made = 0
        self.meanwhile: dict[int, Callable[[], object]] = {}  # while a chunk is made, by its number
        self.outlets: list[socket.socket] = []
        self.left: list[bytes] = []  # of each push
        push = blocking._push

        def noted(chunks: Iterator[bytes], outlet: socket.socket, lane: Lane) -> Any:
            self.outlets.append(outlet)
            result = push(chunks, outlet, lane)
            self.left.append(result[0])
            return result

        self.patch(blocking, "_push", noted)
        self.patch(blocking, "PUSH_SECONDS", SECONDS)
        self.patch(blocking, "ALONE_SECONDS", SECONDS)

    def tearDown(self) -> None:
        self.assertEqual([one.fileno() for one in self.outlets], [-1] * len(self.outlets))

    def chunks(self, sizes: list[int], error: Exception | None = None) -> Iterator[bytes]:
        try:
            for number, size in enumerate(sizes):
                self.made += 1
                self.meanwhile.get(number, lambda: None)()
                yield octets(number, size)
            if error is not None:
                raise error
        finally:
            self.closed = True

    def send(self, chunks: Iterator[bytes], **how: Any) -> "Deferred[None]":
        return Deferred.fromCoroutine(send(self.stream, self.lane, chunks, **how))

    def received(self, sizes: list[int]) -> bytes:
        return b"".join(octets(number, size) for number, size in enumerate(sizes))

    def read_all(self, count: int) -> tuple[Thread, list[bytes]]:
        found: list[bytes] = []
        reading = Thread(target=lambda: found.append(self.arrived(count)))
        reading.start()
        return reading, found

    def sent(self, sizes: list[int], **how: Any) -> None:
        """Send chunks, and see that they come."""
        reading, found = self.read_all(sum(sizes))
        sending = self.send(self.chunks(sizes), **how)
        self.end(sending)
        reading.join()
        self.successResultOf(sending)
        self.assertTrue(found == [self.received(sizes)])

    def end(self, sending: "Deferred[None]") -> None:
        """Let the reactor do its part, however fast the peer reads."""
        while not sending.called or self.reactor.getWriters():
            self.turn()
            self.clock.advance(0)

    def taken(self, sizes: list[int], **how: Any) -> list[tuple[str, int]]:
        """Send chunks to a peer that takes all at once; gives who sent how much, one after the other."""
        record: list[tuple[str, bytes]] = []

        class Taking:
            """The outlet."""

            def sendmsg(self, pieces: list[bytes]) -> int:
                """As of a socket."""
                record.append(("lane", b"".join(pieces)))
                return sum(map(len, pieces))

            def fileno(self) -> int:
                """It is closed."""
                return -1

            def __enter__(self) -> None: ...
            def __exit__(self, *_: object) -> None: ...

        self.patch(stream, "put", lambda _, data, flags=0: record.append(("reactor", data)))
        with mock.patch.object(socket.socket, "dup", lambda _: Taking()):
            sending = self.send(self.chunks(sizes), **how)
            self.clock.advance(0)
        self.successResultOf(sending)
        self.assertTrue(b"".join(data for _, data in record) == self.received(sizes))
        return [(who, len(data)) for who, data in record]

    def test_past_the_reactor(self) -> None:
        """All but the first piece and the last is sent by the lane, where the kernel takes it."""
        by_lane = [("lane", PIECE)] * 2
        self.assertEqual(self.taken([CHUNK] * 14), [("reactor", PIECE), *by_lane, ("reactor", 2 * CHUNK)])
        self.assertTrue(self.closed)
        self.assertEqual(len(self.outlets), 1)

    def test_slices(self) -> None:
        """The lane is another's between two pushes."""
        self.patch(blocking, "PUSH_SECONDS", -1.0)
        self.patch(blocking, "SLICE_SECONDS", -1.0)
        self.patch(blocking, "ALONE_SECONDS", -1.0)
        self.taken([CHUNK] * 20)
        self.assertEqual(len(self.outlets), 20)  # the last finds the end

    def test_others_wait(self) -> None:
        """A push is long while nobody waits for the lane, and ends soon where somebody does."""
        self.patch(blocking, "PUSH_SECONDS", -1.0)
        self.patch(blocking, "ALONE_SECONDS", SECONDS)
        made: list[int] = []
        self.meanwhile[20] = lambda: self.lane.run(lambda: made.append(self.made))
        self.taken([CHUNK] * 40)
        self.assertEqual(made, [21])
        self.assertEqual(len(self.outlets), 2)

    def test_others_wait_for_a_thread(self) -> None:
        """The same where the jobs of other owners wait."""
        self.patch(blocking, "PUSH_SECONDS", -1.0)
        self.patch(blocking, "ALONE_SECONDS", SECONDS)
        self.meanwhile[20] = lambda: setattr(self.executor, "waiting", 1)
        self.meanwhile[25] = lambda: setattr(self.executor, "waiting", 0)
        self.taken([CHUNK] * 40)
        self.assertEqual(len(self.outlets), 6)

    def test_behind_commands(self) -> None:
        """What has come already and waits is no reason to send less from the lane."""
        self.stream.dataReceived(b"NEXT\r\n")
        by_lane = [("lane", PIECE)] * 2
        self.assertEqual(self.taken([CHUNK] * 14), [("reactor", PIECE), *by_lane, ("reactor", 2 * CHUNK)])

    def test_not_before_it_is_told(self) -> None:
        """Nobody sends before `writing` was called, however many turns bring nothing; then all is told."""
        told: list[int] = []
        self.patch(blocking, "SLICE_SECONDS", -1.0)
        self.patch(blocking, "ALONE_SECONDS", -1.0)
        self.patch(blocking, "PUSH_SECONDS", -1.0)
        self.taken([0] * 3 + [CHUNK] * 9, writing=lambda: told.append(self.made))
        self.assertEqual(told, [*range(4, 13), 12])
        self.assertEqual(len(self.outlets), 9)

    def test_who_does_not_read(self) -> None:
        """Little is made for a peer that takes nothing; when it reads it gets all of it."""
        sizes = [CHUNK] * 400
        sending = self.send(self.chunks(sizes))
        self.assertNoResult(sending)
        self.assertLess(self.made, 200)
        reading, found = self.read_all(sum(sizes))
        self.end(sending)
        reading.join()
        self.successResultOf(sending)
        self.assertTrue(found == [self.received(sizes)])

    def test_lost_meanwhile(self) -> None:
        """What is made after the connection was lost goes to nobody who has its descriptor by then."""
        theirs, others = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(others.close)
        theirs.setblocking(False)

        def chunks() -> Iterator[bytes]:
            yield bytes(PIECE)
            descriptor = os.dup(self.ours.fileno())  # the reactor's; Python's own object would know
            os.dup2(others.fileno(), self.ours.fileno())
            self.addCleanup(os.close, descriptor)
            self.stream.connectionLost(Failure(ConnectionDone()))
            for _ in range(8):
                yield bytes(PIECE)

        reading, found = self.read_all(PIECE)
        self.failureResultOf(self.send(chunks()), ConnectionClosed)
        reading.join()
        self.assertEqual((len(found), len(self.outlets)), (1, 1))
        self.assertRaises(BlockingIOError, theirs.recv, 1)

    def test_cut(self) -> None:
        """A connection that is aborted while nothing is pushed is gone at once, not when the job is over."""
        waits: Deferred[Any] = Deferred()
        sending = self.send(self.chunks([CHUNK] * 400))
        self.assertNoResult(sending)
        self.assertEqual([one.fileno() for one in self.outlets], [-1] * len(self.outlets))
        self.patch(self.lane, "run", lambda *job: waits)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ours.close()
        self.assertRaises(ConnectionResetError, self.arrived, 400 * CHUNK)
        self.stream.connectionLost(Failure(ConnectionDone()))
        waits.callback(None)
        self.failureResultOf(sending, ConnectionClosed)

    def test_trouble_half_way(self) -> None:
        """What was made before it is sent, and then it is raised."""
        sizes = [CHUNK] * 9
        reading, found = self.read_all(sum(sizes))
        sending = self.send(self.chunks(sizes, OSError()))
        self.end(sending)
        self.failureResultOf(sending, OSError)
        reading.join()
        self.assertTrue(found == [self.received(sizes)])

    def test_more_will_follow(self) -> None:
        """The end of what is not the last of a reply goes out with that."""
        sizes = [CHUNK] * 4 + [10]
        reading, found = self.read_all(sum(sizes) + 4)
        sending = self.send(self.chunks(sizes), last=False)
        self.end(sending)
        self.successResultOf(sending)
        self.stream.write(b"done")
        self.end(sending)
        reading.join()
        self.assertTrue(found == [self.received(sizes) + b"done"])

    def test_many_small_ones(self) -> None:
        """A piece may be of more chunks than the kernel takes together."""
        piece = 2 * blocking._VECTORS + 1
        self.patch(blocking, "PIECE", piece)
        vectors = [("lane", blocking._VECTORS), ("lane", blocking._VECTORS), ("lane", 1)]
        self.assertEqual(self.taken([1] * 3 * piece), [("reactor", piece), *vectors, *vectors])
        self.assertEqual(self.left, [b""])

    def test_no_way_past(self) -> None:
        """What is compressed or encrypted goes through the reactor, and what would overtake other octets."""
        self.assertTrue(self.has_outlet())
        for name, value in (("dataBuffer", b"first"), ("_tempDataBuffer", [b"first"])):
            with mock.patch.object(self.transport, name, value):
                self.assertFalse(self.has_outlet(), name)
        self.stream.write_with_next(b"first")
        self.assertFalse(self.has_outlet())
        self.stream.write(b"second")
        self.assertTrue(self.has_outlet())
        self.stream.compress()
        self.assertFalse(self.has_outlet())
        self.stream.end_compression()
        self.assertTrue(self.has_outlet())
        with mock.patch.object(self.transport, "startTLS"):
            handshake = Deferred.fromCoroutine(self.stream.start_tls(mock.Mock(), timeout=1.0))
        self.assertFalse(self.has_outlet())
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(handshake, ConnectionClosed)

    def test_end(self) -> None:
        """There is none when the connection is lost."""
        self.assertTrue(self.has_outlet())
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(self.has_outlet())

    def has_outlet(self) -> bool:
        outlet = self.stream.outlet()
        if outlet is not None:
            outlet.close()
        return outlet is not None

    def test_no_descriptor(self) -> None:
        """A server that has no descriptor left sends as well without another one."""
        with mock.patch.object(socket.socket, "dup", side_effect=OSError(24, "Too many open files")):
            self.sent([CHUNK] * 9)
        self.assertEqual(self.outlets, [])


class AnySizes(SocketTestCase):
    """Whatever the chunks are, and however the peer reads."""

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.sampled_from((0, 1, 1000, CHUNK, PIECE, 3 * PIECE)), max_size=30),
        st.integers(0, 40),
    )
    def test_in_order(self, sizes: list[int], waits: int) -> None:
        """The peer gets all chunks, in their order."""
        wanted = b"".join(octets(number, size) for number, size in enumerate(sizes))
        self.setUp()
        try:
            chunks = (octets(number, size) for number, size in enumerate(sizes))
            sending = Deferred.fromCoroutine(send(self.stream, Lane(InlineExecutor()), chunks))
            found = b""
            while len(found) < len(wanted):
                waits -= 1
                if waits < 0:
                    found += self.peer.recv(1 << 16)
                self.turn()
                self.clock.advance(0)
            self.successResultOf(sending)
            self.assertTrue(found == wanted)
        finally:
            self.ours.close()
            self.peer.close()
