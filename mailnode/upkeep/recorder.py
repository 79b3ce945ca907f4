"""Writes events to the event log, in a thread, many at once.

The reactor only makes lines of events and keeps them. A job takes all lines to the disk, at most one at a
time, a moment after the first of them. When the disk is slower than the events, or refuses them, lines are
dropped and counted, and mail goes on; that is said once, and once more when it works again.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall

from mailnode.config import Logging
from mailnode.events.journal import Journal, line_of
from mailnode.events.life import Event
from mailnode.events.log import Log
from mailnode.net.blocking import Lane
from mailnode.runtime import Runtime

GATHERED_SECONDS = 0.5
WAITING_LIMIT = 16_777_216  # octets of lines that wait for the disk
PIECE = 1_048_576  # octets in one job


class Recorder:
    """A subscriber of the bus; used on the reactor thread."""

    def __init__(self, runtime: Runtime, journal: Journal, settings: Callable[[], Logging], log: Log) -> None:
        self._runtime = runtime
        self._lane = Lane(runtime.blocking)
        self._journal = journal
        self._settings = settings
        self._log = log
        self._waiting: list[bytes] = []
        self._octets = 0
        self._lost = 0  # events since the disk took the last
        self._failing = False
        self._writing = DeferredLock()
        self._next: IDelayedCall | None = None

    def __call__(self, time: float, event: Event) -> None:
        """Take down an event that happened at this time, in seconds since the epoch."""
        if not self._settings().events_size:
            return
        line = line_of(event, time)
        if self._octets + len(line) > WAITING_LIMIT:
            self._lost += 1
            return
        self._waiting.append(line)
        self._octets += len(line)
        if self._next is None and not self._writing.locked:
            self._next = self._runtime.clock.callLater(GATHERED_SECONDS, self._begin)

    def _begin(self) -> None:
        self._next = None
        flushed = Deferred.fromCoroutine(self.flush())
        flushed.addErrback(lambda failure: self._log.bug("events not written", failure))

    async def flush(self) -> None:
        """Take what waits to the disk, and what comes meanwhile; also at the end of the server."""
        await self._writing.acquire()
        try:
            if self._next is not None:
                self._next.cancel()
                self._next = None
            while self._waiting:
                await self._write(self._taken())
        finally:
            self._writing.release()

    def _taken(self) -> list[bytes]:
        """The first lines that wait."""
        octets = count = 0
        while count < len(self._waiting) and octets < PIECE:
            octets += len(self._waiting[count])
            count += 1
        lines, self._waiting = self._waiting[:count], self._waiting[count:]
        self._octets -= octets
        return lines

    async def _write(self, lines: list[bytes]) -> None:
        settings = self._settings()

        def append() -> None:
            self._journal.append(b"".join(lines), size=settings.events_size, keep=settings.events_keep)

        try:
            await self._lane.run(append)
        except OSError as error:
            self._lost += len(lines)
            if not self._failing:
                self._failing = True
                reason, remedy = error.strerror or error, "mail goes on; mailnode explain will not know of it"
                self._log.warn("event log not written", path=self._journal.path, reason=reason, remedy=remedy)
            return
        if self._failing or self._lost:
            self._log.warn("event log is written again", lost=self._lost)
            self._failing, self._lost = False, 0
