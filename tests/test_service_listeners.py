"""Listeners that begin, and those that cannot."""

import socket
from typing import Any

from twisted.internet import reactor  # noqa: TID251
from twisted.internet.defer import FirstError
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.listen import CannotListen
from mailnode.net.stream import TCP_NOTSENT_LOWAT, UNSENT
from mailnode.service_listeners import Ports


class PortsTests(SynchronousTestCase):
    """What an administrator reads where a listener cannot begin."""

    def refused(self, endpoint: str) -> str:
        """What is said; it names the listener."""
        begun = Ports(reactor).listen({}, [endpoint])
        error: Any = self.failureResultOf(begun, FirstError).value
        self.assertIsInstance(error.subFailure.value, CannotListen)
        text = str(error.subFailure.value)
        self.assertIn(f"cannot listen on {endpoint}: ", text)
        return text

    def test_connections(self) -> None:
        """What is written goes out at once: connections have it from the socket that listens."""
        ports = Ports(reactor)
        endpoint = "tcp:0:interface=127.0.0.1"
        self.successResultOf(ports.listen({}, [endpoint]))
        listening = ports.held()[endpoint].socket
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            self.assertTrue(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            self.assertEqual(accepted.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT), UNSENT)
        ports.stop()
        reactor.doIteration(0)  # type: ignore[attr-defined]

    def test_no_socket(self) -> None:
        """Sockets that systemd has not handed over, by number and by name."""
        for which in ("index=0", "name=smtp"):
            self.assertIn("mailnode.socket", self.refused(f"systemd:domain=INET:{which}"))

    def test_no_folder(self) -> None:
        """A UNIX socket in a folder that is not there."""
        self.assertIn("No such file or directory; make the folder", self.refused("unix:/nonexistent/x.sock"))

    def test_no_address(self) -> None:
        """An address of another machine."""
        said = self.refused("tcp:25252:interface=192.0.2.1")
        self.assertIn("Cannot assign requested address; correct the endpoint", said)
