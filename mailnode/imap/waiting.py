"""Waiting for the client's next line, and telling it meanwhile what happens: in IDLE, and with NOTIFY.

While something is told nobody reads: so it is whole before a command is begun, before the session is sent
away, and before it is logged out for being silent. The line has the whole time from when the wait began,
however much happens meanwhile; what has come of it stays in the stream.
"""

from collections.abc import Awaitable, Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailnode.imap.session import Session


class Bell:
    """A wake-up call that is not lost while nobody waits for it."""

    def __init__(self, *, rung: bool = False) -> None:
        self._rung = rung
        self._waiting: Deferred[None] | None = None

    def ring(self) -> None:
        """Wake the waiter, now or when it next waits."""
        self._rung = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    async def heard(self) -> None:
        """Wait for the next ring."""
        if not self._rung:
            self._waiting = Deferred()
            await self._waiting
        self._rung = False


async def next_line(
    session: Session, tell: Callable[[], Awaitable[None]], *, at_once: bool, poll: float | None = None
) -> bytes:
    """The next line; `tell` is called whenever session.wake() is, and every `poll` seconds.

    `at_once`: and to begin with. Raises what stream.line() raises.
    """
    clock = session.shared.runtime.clock
    until = clock.seconds() + session.stream.timeout
    bell = Bell(rung=at_once)
    session.wake = bell.ring
    try:
        while True:
            session.stream.timeout = max(0.0, until - clock.seconds())
            line = _Line(session, bell.ring)
            polling = clock.callLater(poll, bell.ring) if poll is not None and not line.came else None
            try:
                if not line.came:
                    await bell.heard()
            finally:
                line.leave()
                if polling is not None and polling.active():
                    polling.cancel()
            if line.came:
                return line.result()
            await tell()
    finally:
        session.wake = None


class _Line:
    """A read that may be left; octets that have come stay where they are."""

    def __init__(self, session: Session, came: Callable[[], None]) -> None:
        self.came: list[bytes | Failure] = []
        self._notice = came
        self._reading = Deferred.fromCoroutine(session.stream.line(session.line_limit))
        self._reading.addBoth(self._end)

    def _end(self, result: bytes | Failure) -> None:
        if isinstance(result, Failure) and result.check(CancelledError):
            return
        self.came.append(result)
        self._notice()

    def leave(self) -> None:
        """Read no further, if that is not over."""
        self._reading.cancel()

    def result(self) -> bytes:
        """The line. Raises what the reading raised."""
        result = self.came[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result
