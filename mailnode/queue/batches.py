"""What is done with the files of many messages of the queue is done together: one job for several.

Who asks in the same turn of the reactor, or within a few milliseconds, shares a job: its thread needs the
interpreter only once, and where messages are removed one fsync of the folder is enough for all.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailnode.runtime import Runtime

T = TypeVar("T")

TOGETHER = 10  # messages in a job: it takes less than a millisecond, and what follows is one turn


class Batches(Generic[T]):
    """One kind of work, done by name; used on the reactor thread.

    `work` runs in a thread, and gives for each name what comes of it, or the exception that it ends in. Who
    is not alone waits so many `seconds` for others, or for the end of this turn of the reactor.
    """

    def __init__(
        self,
        runtime: Runtime,
        work: Callable[[Sequence[str]], Sequence[T | Exception]],
        *,
        seconds: float = 0.0,
    ) -> None:
        self._runtime = runtime
        self._work = work
        self._seconds = seconds
        self._waiting: dict[str, Deferred[T]] = {}

    def run(self, name: str, *, alone: bool) -> "Deferred[T]":
        """Do it for a message; nobody else may be about to do it for the same one."""
        planned = bool(self._waiting)
        done = self._waiting[name] = Deferred()
        if alone:
            self._begin()
        elif not planned:
            self._runtime.clock.callLater(self._seconds, self._begin)
        return done

    def _begin(self) -> None:
        waiting, self._waiting = iter(self._waiting.items()), {}
        while some := dict(islice(waiting, TOGETHER)):
            job = self._runtime.blocking.run(self._work, list(some))
            job.addBoth(_over, list(some.values()))


def _over(result: Sequence[T | Exception] | Failure, waiting: Sequence["Deferred[T]"]) -> None:
    outcomes = [result] * len(waiting) if isinstance(result, Failure) else result
    for done, outcome in zip(waiting, outcomes, strict=True):
        if isinstance(outcome, Exception | Failure):
            done.errback(outcome)
        else:
            done.callback(outcome)
