"""Messages that are done leave the spool together: one job, and one fsync of the folder, for many.

Those that are done in one turn of the reactor share a job: its thread needs the interpreter only once, and
what another host has just taken is off the disk as soon as it would be alone.
"""

from collections.abc import Sequence
from itertools import islice

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime

TOGETHER = 20  # messages in a job: what follows of them is one turn of the reactor


class Removals:
    """All messages that are about to be removed; used on the reactor thread."""

    def __init__(self, runtime: Runtime, spool: Spool) -> None:
        self._runtime = runtime
        self._spool = spool
        self._waiting: dict[str, Deferred[None]] = {}

    def run(self, name: str, *, alone: bool) -> "Deferred[None]":
        """Be done with a message, durably. Fails with OSError; then it may still be there.

        Who is not alone waits for the end of this turn of the reactor, in which others may be done too.
        """
        planned = bool(self._waiting)
        done = self._waiting[name] = Deferred()
        if alone:
            self._begin()
        elif not planned:
            self._runtime.clock.callLater(0, self._begin)
        return done

    def _begin(self) -> None:
        waiting, self._waiting = iter(self._waiting.items()), {}
        while some := dict(islice(waiting, TOGETHER)):
            job = self._runtime.blocking.run(self._spool.remove_all, list(some))
            job.addBoth(_over, list(some.values()))


def _over(result: Sequence[OSError | None] | Failure, waiting: Sequence["Deferred[None]"]) -> None:
    outcomes = [result] * len(waiting) if isinstance(result, Failure) else result
    for done, outcome in zip(waiting, outcomes, strict=True):
        if outcome is None:
            done.callback(None)
        else:
            done.errback(outcome)
