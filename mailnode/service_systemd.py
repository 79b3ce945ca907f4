"""What systemd hears of the server: that it is ready, that it ends, and, where it asks, that it still turns.

With WatchdogSec in its unit systemd restarts a service that has said nothing for so long. It is the event
loop that says it here, so one that stands still for good is noticed; threads and disks may take their time.
"""

import os
import socket
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailnode.events.log import Log

READY, ENDING, ALIVE = b"READY=1", b"STOPPING=1", b"WATCHDOG=1"

Environ = Callable[[str], str | None]


def notify_systemd(state: bytes, environ: Environ = os.environ.get) -> None:
    """Tell systemd how we are (sd_notify); nothing happens where nobody asked."""
    path = environ("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        try:
            # What is said again and again must not stop the event loop, of which it tells.
            notifier.sendto(state, socket.MSG_DONTWAIT if state == ALIVE else 0, address)
        except OSError as error:
            Log("mailnode").warn("systemd could not be told", reason=error.strerror)


def watchdog_seconds(environ: Environ, pid: int) -> float:
    """Seconds after which systemd is to be told again that this process is alive; 0 where it does not ask.

    That is half of the time that it waits, as sd_watchdog_enabled(3) advises.
    """
    asked, whom = environ("WATCHDOG_USEC") or "", environ("WATCHDOG_PID") or str(pid)
    return int(asked) / 1e6 / 2 if asked.isdecimal() and whom == str(pid) else 0.0


class Watchdog:
    """Tells systemd, for as long as the event loop turns."""

    def __init__(
        self,
        clock: IReactorTime,
        environ: Environ = os.environ.get,
        pid: Callable[[], int] = os.getpid,
        tell: Callable[[bytes], None] = notify_systemd,
    ) -> None:
        self._clock = clock
        self._environ = environ
        self._pid = pid
        self._tell = tell
        self._every = 0.0
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """Begin, where systemd asks for it."""
        self._every = watchdog_seconds(self._environ, self._pid())
        if self._every:
            self._plan()

    def stop(self) -> None:
        """Say no more."""
        call, self._next = self._next, None
        if call is not None:
            call.cancel()

    def _plan(self) -> None:
        self._next = self._clock.callLater(self._every, self._alive)

    def _alive(self) -> None:
        self._plan()
        self._tell(ALIVE)
