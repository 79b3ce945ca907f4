"""What systemd hears of the server."""

import os
import socket
import tempfile

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.service_systemd import ALIVE, READY, Watchdog, notify_systemd, watchdog_seconds


class NotifyTests(SynchronousTestCase):
    """sd_notify"""

    def test_told(self) -> None:
        """The state is one datagram to the socket that is named, by path or in the abstract namespace."""
        directory = tempfile.mkdtemp()
        path = os.path.join(directory, "notify")
        self.addCleanup(os.rmdir, directory)
        self.addCleanup(os.unlink, path)
        for name, bound in ((path, path), (f"@mailnode-{os.getpid()}", f"\0mailnode-{os.getpid()}")):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
                systemd.bind(bound)
                notify_systemd(READY, {"NOTIFY_SOCKET": name}.get)
                self.assertEqual(systemd.recv(100), READY)

    def test_nobody_asks(self) -> None:
        """Without a socket, or with one that nobody listens on, nothing happens."""
        notify_systemd(READY, {}.get)
        notify_systemd(READY, {"NOTIFY_SOCKET": "/nonexistent/notify"}.get)


class WatchdogTests(SynchronousTestCase):
    """WatchdogSec"""

    def test_seconds(self) -> None:
        """Half of what systemd waits, where it means this process."""
        for environ, expected in (
            ({}, 0.0),
            ({"WATCHDOG_USEC": "120000000"}, 60.0),
            ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "7"}, 60.0),
            ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "8"}, 0.0),
            ({"WATCHDOG_USEC": "0"}, 0.0),
            ({"WATCHDOG_USEC": "soon"}, 0.0),
        ):
            self.assertEqual(watchdog_seconds(environ.get, 7), expected, environ)

    def test_beats(self) -> None:
        """It is told each time, until the end; without the wish there is no call at all."""
        clock, told = Clock(), list[bytes]()
        for environ, expected in (({"WATCHDOG_USEC": "4000000"}, [ALIVE] * 3), ({}, [])):
            told.clear()
            watchdog = Watchdog(clock, environ.get, lambda: 7, told.append)
            watchdog.start()
            clock.pump([2.0, 2.0, 2.0])
            watchdog.stop()
            clock.pump([2.0, 2.0])
            self.assertEqual(told, expected)
            self.assertEqual(clock.getDelayedCalls(), [])
            watchdog.stop()
