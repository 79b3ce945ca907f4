"""send() to a real socket: all octets in order, whoever sends them, and none to anybody else."""

import os
import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mailnode.net import blocking
from mailnode.net.blocking import PIECE, InlineExecutor, Lane, send
from mailnode.net.stream import ConnectionClosed
from tests.net.sockets import SocketTestCase

CHUNK = PIECE // 4


def octets(number: int, size: int) -> bytes:
    """A chunk that tells which it is."""
    return (b"%d " % number * size)[:size]


class Pushing(SocketTestCase):
    """What follows the first piece is sent from the lane, as far as the peer takes it."""

    def setUp(self) -> None:
        super().setUp()
        self.lane = Lane(InlineExecutor())
        self.closed = False
        self.made = 0

    def chunks(self, sizes: list[int], error: Exception | None = None) -> Iterator[bytes]:
        try:
            for number, size in enumerate(sizes):
                self.made += 1
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

    def test_past_the_reactor(self) -> None:
        """A peer that reads gets all but the first and last piece without Twisted's part in it."""
        sizes = [CHUNK] * 100
        reading, found = self.read_all(sum(sizes))
        with mock.patch.object(self.transport, "write", wraps=self.transport.write) as write:
            sending = self.send(self.chunks(sizes))
            while not sending.called:
                self.turn()
                self.clock.advance(0)
        reading.join()
        self.successResultOf(sending)
        self.assertTrue(found == [self.received(sizes)])
        through_twisted = sum(len(call.args[0]) for call in write.call_args_list)
        self.assertLess(through_twisted, sum(sizes))
        self.assertTrue(self.closed)

    def test_who_does_not_read(self) -> None:
        """Little is made for a peer that takes nothing; when it reads it gets all of it."""
        sizes = [CHUNK] * 400
        sending = self.send(self.chunks(sizes))
        self.assertNoResult(sending)
        self.assertLess(self.made, 200)
        reading, found = self.read_all(sum(sizes))
        while not sending.called:
            self.turn()
            self.clock.advance(0)
        reading.join()
        self.successResultOf(sending)
        self.assertTrue(found == [self.received(sizes)])

    def test_lost_meanwhile(self) -> None:
        """What is made after the connection was lost goes nowhere: its descriptor may be somebody else's."""
        theirs, others = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(others.close)
        theirs.setblocking(False)
        before = set(os.listdir("/proc/self/fd"))

        def chunks() -> Iterator[bytes]:
            yield bytes(PIECE)
            descriptor = self.ours.fileno()
            self.ours.close()
            os.dup2(others.fileno(), descriptor)
            self.addCleanup(os.close, descriptor)
            self.stream.connectionLost(Failure(ConnectionDone()))
            for _ in range(8):
                yield bytes(PIECE)

        reading, found = self.read_all(PIECE)
        self.failureResultOf(self.send(chunks()), ConnectionClosed)
        reading.join()
        self.assertEqual(len(found), 1)
        self.assertRaises(BlockingIOError, theirs.recv, 1)
        self.assertEqual(set(os.listdir("/proc/self/fd")), before)

    def test_trouble_half_way(self) -> None:
        """What was made before it is sent, and then it is raised."""
        sizes = [CHUNK] * 9
        reading, found = self.read_all(sum(sizes))
        self.failureResultOf(self.send(self.chunks(sizes, OSError())), OSError)
        reading.join()
        self.assertTrue(found == [self.received(sizes)])

    def test_more_will_follow(self) -> None:
        """The end of what is not the last of a reply goes out with that."""
        sizes = [CHUNK] * 4 + [10]
        reading, found = self.read_all(sum(sizes) + 4)
        self.successResultOf(self.send(self.chunks(sizes), last=False))
        self.stream.write(b"done")
        reading.join()
        self.assertTrue(found == [self.received(sizes) + b"done"])

    def test_many_small_ones(self) -> None:
        """A piece may be of more chunks than the kernel takes together."""
        sizes = [7] * 3 * blocking._VECTORS
        with mock.patch.object(blocking, "PIECE", 7 * (2 * blocking._VECTORS + 1)):
            reading, found = self.read_all(sum(sizes))
            self.successResultOf(self.send(self.chunks(sizes)))
        reading.join()
        self.assertTrue(found == [self.received(sizes)])

    def test_no_way_past(self) -> None:
        """What is compressed or encrypted goes through the reactor, and what would overtake other octets."""
        self.assertTrue(self.stream.has_outlet())
        for name, value in (("TLS", True), ("dataBuffer", b"first"), ("_tempDataBuffer", [b"first"])):
            with mock.patch.object(self.transport, name, value):
                self.assertFalse(self.stream.has_outlet(), name)
        self.stream.write_with_next(b"first")
        self.assertFalse(self.stream.has_outlet())
        self.stream.write(b"second")
        self.assertTrue(self.stream.has_outlet())
        self.stream.compress()
        self.assertFalse(self.stream.has_outlet())
        self.stream.end_compression()
        self.assertTrue(self.stream.has_outlet())
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(self.stream.has_outlet())

    def test_no_descriptor(self) -> None:
        """A server that has no descriptor left sends as well without another one."""
        sizes = [CHUNK] * 9
        reading, found = self.read_all(sum(sizes))
        with mock.patch.object(socket.socket, "dup", side_effect=OSError(24, "Too many open files")):
            self.successResultOf(self.send(self.chunks(sizes)))
        reading.join()
        self.assertTrue(found == [self.received(sizes)])


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
