"""The end of a connection, on a real socket."""

import gc
import socket
import weakref
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransportWithDisconnection

from mailnode.net import stream
from mailnode.net.stream import ConnectionClosed, Stream
from mailnode.net.wait import Running
from tests.net.sockets import SocketTestCase


class CloseTests(SocketTestCase):
    """Who has nothing left to send does not wait for the reactor."""

    def test_at_once(self) -> None:
        """The peer gets all that was written, and then the end; no timer and no descriptor is left."""
        told: list[str] = []
        self.stream.when_lost(lambda: told.append("lost"))
        waiting = Deferred.fromCoroutine(self.stream.line(10))
        self.stream.write(b"bye")
        self.stream.close()
        self.assertEqual((self.arrived(3), self.peer.recv(1)), (b"bye", b""))
        self.failureResultOf(waiting, ConnectionClosed)
        self.assertTrue(self.stream.lost)
        self.assertEqual((told, self.ours.fileno(), self.clock.getDelayedCalls()), (["lost"], -1, []))
        self.assertEqual((self.reactor.getReaders(), self.reactor.getWriters()), ([], []))
        self.stream.close()
        self.stream.write(b"nobody reads this")

    def test_with_the_last_words(self) -> None:
        """They go out with the end, if nothing waits for them."""
        puts: list[tuple[bytes, int]] = []
        put = stream.put

        def noted(wire: Any, data: bytes, flags: int = 0) -> None:
            puts.append((data, flags))
            put(wire, data, flags)

        self.patch(stream, "put", noted)
        self.stream.write(b"hello")
        self.stream.write_with_next(b"bye")
        self.stream.close()
        self.assertEqual((self.arrived(8), self.peer.recv(1)), (b"hellobye", b""))
        self.assertEqual(puts, [(b"hello", 0), (b"bye", socket.MSG_MORE)])

    def test_nothing_is_left(self) -> None:
        """What has waited for octets and has ended is free at once: no garbage collector has to find it."""
        made = Stream(self.clock, opened=lambda _: None)
        transport = StringTransportWithDisconnection()
        made.makeConnection(transport)
        session = Running(self.reads(made), lambda _: None)
        session.go()
        made.dataReceived(b"a\r\n")
        made.dataReceived(b"b\r\n")
        made.connectionLost()
        transport.producer = None  # as a socket's forgets it
        gone = weakref.ref(made)
        with_nobody = gc.isenabled()
        gc.disable()
        try:
            del made, session
            self.assertIsNone(gone())
        finally:
            if with_nobody:
                gc.enable()

    async def reads(self, made: Stream) -> None:
        """A session of two lines."""
        self.assertEqual((await made.line(9), await made.line(9)), (b"a", b"b"))

    def test_with_something_left(self) -> None:
        """What the kernel has not taken goes out first, as long as the peer reads."""
        data = b"x" * (1 << 24)
        self.stream.write(data)
        self.stream.close()
        self.assertFalse(self.stream.lost)
        found = 0
        while not self.stream.lost:
            found += len(self.peer.recv(1 << 20))
            if self.transport.doWrite() is not None:
                self.transport.connectionLost(connectionDone)
        while more := self.peer.recv(1 << 20):
            found += len(more)
        self.assertEqual(found, len(data))
        self.assertEqual(self.clock.getDelayedCalls(), [])
