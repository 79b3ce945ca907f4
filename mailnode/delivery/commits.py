"""Messages that come at the same time become durable together: in one job, with one fsync for a folder.

What is ready in one turn of the reactor is committed at its end; what is ready while RUNNING jobs are under
way waits for the end of one of them. So nobody waits where there is little to do, and where there is much
each message costs less: the way to a thread and back are six switches between threads, and threads that do
one message each fight for the interpreter after every system call.

A disk may hang. Therefore only mailboxes that lie side by side in one directory share jobs, and nobody waits
for others for longer than PATIENCE: then one more job begins.
"""

import os
from collections import deque
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from mailnode.fs import FileSystem
from mailnode.net.wait import Wait
from mailnode.runtime import Runtime
from mailnode.store.delivery import Arrival, deliver_together

# One thread has the interpreter at a time; after each system call a second one would fight for it. Where the
# disk is what takes long more jobs begin: of their fsyncs one commit of its journal serves several.
RUNNING = 1
TOGETHER = 8  # messages in a job: what follows of them is one turn of the reactor
PATIENCE = 0.01  # seconds

_Waiting = tuple[Arrival, Wait[None]]


@dataclass(slots=True)
class _Place:
    """A directory of mailboxes: what waits to get there, and how many jobs are under way."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    planned: bool = False  # at the end of this turn
    running: int = 0
    late: IDelayedCall | None = None  # when somebody has waited for long enough


class Commits:
    """All deliveries that are about to be committed."""

    def __init__(self, runtime: Runtime, files: FileSystem) -> None:
        self._runtime = runtime
        self._files = files
        self._places: dict[frozenset[str], _Place] = {}

    def run(self, arrival: Arrival) -> "Deferred[None]":
        """Make a message durable for all its accounts, alone or with others.

        Fails with OSError or StoreError; then it is in none of them.
        """
        key = frozenset(os.path.dirname(account.root) for account in arrival.accounts)
        place = self._places.setdefault(key, _Place())
        done: Wait[None] = Wait()
        place.waiting.append((arrival, done))
        if not place.planned:
            place.planned = True
            self._runtime.clock.callLater(0, self._end_turn, key, place)
        return done

    def _end_turn(self, key: frozenset[str], place: _Place) -> None:
        place.planned = False
        self._go_on(key, place)

    def _go_on(self, key: frozenset[str], place: _Place) -> None:
        while place.waiting and place.running < RUNNING:
            self._begin(key, place)
        if place.waiting and place.late is None:
            place.late = self._runtime.clock.callLater(PATIENCE, self._wait_no_longer, key, place)
        elif not place.waiting and place.late is not None:
            place.late.cancel()
            place.late = None
        if not place.waiting and not place.running and not place.planned:
            self._places.pop(key, None)

    def _wait_no_longer(self, key: frozenset[str], place: _Place) -> None:
        place.late = None
        self._begin(key, place)
        self._go_on(key, place)

    def _begin(self, key: frozenset[str], place: _Place) -> None:
        many = [place.waiting.popleft() for _ in range(min(len(place.waiting), TOGETHER))]
        place.running += 1
        job = self._runtime.blocking.run(deliver_together, [arrival for arrival, _ in many], self._files)

        def over(result: list[Exception | None] | Failure) -> None:
            place.running -= 1
            self._go_on(key, place)
            outcomes = [result] * len(many) if isinstance(result, Failure) else result
            for (_, done), outcome in zip(many, outcomes, strict=True):
                if outcome is None:
                    done.callback(None)
                else:
                    done.errback(outcome)

        job.addBoth(over)
