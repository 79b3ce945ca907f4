"""Messages that come at the same time become durable together: in one job, with one fsync for a folder.

What is ready in one turn of the reactor is committed at its end; what is ready while RUNNING jobs are under
way waits for the end of one of them. So nobody waits where there is little to do, and where there is much
each message costs less: the way to a thread and back are six switches between threads, and threads that do
one message each fight for the interpreter after every system call.

A disk that is slow to say that something is durable takes hardly longer to say it of many: what waits for it
goes together (`store.delivery`, `queue.spool`).

A disk may hang. Therefore only what goes to the same place shares jobs, and nobody waits for others for
longer than PATIENCE: then one more job begins.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from mailnode.fs import owed_to_disks
from mailnode.net.wait import Wait
from mailnode.runtime import Runtime

T = TypeVar("T")

# One thread has the interpreter at a time; after each system call a second one would fight for it. Where the
# disk is what takes long more jobs begin: of their fsyncs one commit of its journal serves several.
RUNNING = 1
TOGETHER = 8  # messages in a job: what follows of them is one turn of the reactor
SLOW = 0.003  # seconds: a job that takes so long while a disk is written to waits for it; the next takes more
TOGETHER_SLOW = 32
PATIENCE = 0.01  # seconds


@dataclass(slots=True)
class _Place(Generic[T]):
    """What waits to get to a place, and how many jobs are under way."""

    waiting: deque[tuple[T, Wait[None]]] = field(default_factory=deque)
    planned: bool = False  # at the end of this turn
    running: int = 0
    together: int = TOGETHER  # in the next job
    late: IDelayedCall | None = None  # when somebody has waited for long enough


class Commits(Generic[T]):
    """What is about to be committed.

    `work` runs in a thread; it gives for each message None, or the error after which it is nowhere. Where
    what is ready begins `at_once`, only what comes during a job shares the next one.
    """

    def __init__(
        self,
        runtime: Runtime,
        work: Callable[[Sequence[T]], Sequence[Exception | None]],
        *,
        at_once: bool = False,
    ) -> None:
        self._runtime = runtime
        self._work = work
        self._at_once = at_once
        self._places: dict[Hashable, _Place[T]] = {}

    def run(self, key: Hashable, one: T) -> "Deferred[None]":
        """Commit it at this place, alone or with others. Fails with the error of it."""
        place: _Place[T] = self._places.setdefault(key, _Place())
        done: Wait[None] = Wait()
        place.waiting.append((one, done))
        if self._at_once:
            self._go_on(key, place)
        elif not place.planned:
            place.planned = True
            self._runtime.clock.callLater(0, self._end_turn, key, place)
        return done

    def _end_turn(self, key: Hashable, place: _Place[T]) -> None:
        place.planned = False
        self._go_on(key, place)

    def _go_on(self, key: Hashable, place: _Place[T]) -> None:
        while place.waiting and place.running < RUNNING:
            self._begin(key, place)
        if place.waiting and place.late is None:
            place.late = self._runtime.clock.callLater(PATIENCE, self._wait_no_longer, key, place)
        elif not place.waiting and place.late is not None:
            place.late.cancel()
            place.late = None
        idle = not (place.waiting or place.running or place.planned)
        if idle and self._places.get(key) is place:
            del self._places[key]

    def _wait_no_longer(self, key: Hashable, place: _Place[T]) -> None:
        place.late = None
        self._begin(key, place)
        self._go_on(key, place)

    def _begin(self, key: Hashable, place: _Place[T]) -> None:
        many = [place.waiting.popleft() for _ in range(min(len(place.waiting), place.together))]
        place.running += 1
        began, owed = self._runtime.clock.seconds(), owed_to_disks()
        job = self._runtime.blocking.run(self._work, [one for one, _ in many])

        def over(result: Sequence[Exception | None] | Failure) -> None:
            # Without a disk a job takes long where the reactor's thread has much to do.
            slow = self._runtime.clock.seconds() - began > SLOW and owed_to_disks() > owed
            place.together = TOGETHER_SLOW if slow else TOGETHER
            place.running -= 1
            self._go_on(key, place)
            outcomes = [result] * len(many) if isinstance(result, Failure) else result
            for (_, done), outcome in zip(many, outcomes, strict=True):
                if outcome is None:
                    done.callback(None)
                else:
                    done.errback(outcome)

        job.addBoth(over)
