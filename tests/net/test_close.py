"""The end of a connection, on a real socket."""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone

from mailnode.net.stream import ConnectionClosed
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
