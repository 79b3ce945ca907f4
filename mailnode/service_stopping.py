"""How a process of the server ends: nothing is waited for without limit, and nothing is cut off before.

A disk that does not answer must not keep the server from ending.
"""

from collections.abc import Iterable, Sequence
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from mailnode.events.log import Log
from mailnode.net.blocking import ThreadedExecutor
from mailnode.net.listen import SessionFactory
from mailnode.service_entrance import Entrance

STOPPING = b"The server is shutting down"
CHANGED = b"Your account has changed, log in again"

# Seconds a thread may keep the interpreter while another waits for it: what is dear for one session then
# delays the others by this, at a cost that is hardly measured.
SWITCH_INTERVAL = 0.001

# Seconds when the server stops: first for the sessions to end what they work at, then for the disk.
PATIENCE = 10.0
DISK_PATIENCE = 5.0


class Stopping:
    """The steps of it."""

    def __init__(self, reactor: Any, log: Log) -> None:
        self._reactor = reactor
        self._log = log

    async def send_away(
        self, factories: Iterable[SessionFactory], why: bytes, also: "Sequence[Deferred[None]]"
    ) -> None:
        """Have the sessions end, each as soon as it waits for its peer, and wait for what else is to end."""
        factories = tuple(factories)
        for factory in factories:
            factory.dismiss(why)
        sessions = [session for factory in factories for session in factory.sessions()]
        await self.ended("sessions", [*sessions, *also], PATIENCE)
        for factory in factories:
            factory.close_all()

    async def put_away(self, entrance: Entrance, first: "Sequence[Deferred[None]]") -> None:
        """Close what the lanes have open, after the jobs that are in them; then end the threads."""
        await self.ended("disk", [Deferred.fromCoroutine(self._put_away(entrance, first))], DISK_PATIENCE)

    async def _put_away(self, entrance: Entrance, first: "Sequence[Deferred[None]]") -> None:
        closing = [one.lane.run(one.store.close) for one in entrance.realm.accounts()]
        await DeferredList([*first, *closing])
        await DeferredList([self._stopped(one) for one in (entrance.disk, entrance.passwords)])

    def _stopped(self, threads: ThreadedExecutor) -> "Deferred[None]":
        """Fires when all these threads have ended; waiting for them is a thread's work, not ours."""
        stopped: Deferred[None] = Deferred()

        def stop() -> None:
            threads.stop()
            self._reactor.callFromThread(stopped.callback, None)

        Thread(target=stop, daemon=True).start()
        return stopped

    def ended(self, what: str, work: "Sequence[Deferred[None]]", patience: float) -> "Deferred[None]":
        """Fires when all of it has ended or has had its time; nothing is cancelled."""
        over: Deferred[None] = Deferred()

        def give_up() -> None:
            self._log.warn("stopping without waiting longer", what=what)
            over.callback(None)

        late = self._reactor.callLater(patience, give_up)

        def ended(_: object) -> None:
            if late.active():
                late.cancel()
                over.callback(None)

        DeferredList(work).addCallback(ended)
        return over
