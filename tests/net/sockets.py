"""A stream over a real socket, whose reactor is the test."""

import select
import socket

from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.stream import Stream

SECONDS = 30.0  # after which what should have come is missed


class SocketTestCase(SynchronousTestCase):
    """`stream` is ours, `peer` the socket at the other end."""

    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.peer = socket.create_connection(listening.getsockname())
            self.addCleanup(self.peer.close)
            self.ours, _ = listening.accept()
            self.addCleanup(self.ours.close)
        self.ours.setblocking(False)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        self.peer.settimeout(SECONDS)
        self.reactor = MemoryReactor()
        self.clock = Clock()
        self.stream = Stream(self.clock, opened=lambda _: None)
        self.transport = Connection(self.ours, self.stream, self.reactor)
        self.transport.connected = True
        self.stream.makeConnection(self.transport)

    def arrived(self, count: int) -> bytes:
        """The next octets that the peer gets."""
        found = b""
        while len(found) < count:
            more = self.peer.recv(count - len(found))
            assert more, "the connection was closed"
            found += more
        return found

    def nothing_arrived(self) -> bool:
        """Whether nothing is on its way to the peer."""
        return not select.select([self.peer], [], [], 0)[0]

    def turn(self) -> None:
        """The reactor finds that the socket can be written to."""
        if self.transport in self.reactor.getWriters():
            self.transport.doWrite()
